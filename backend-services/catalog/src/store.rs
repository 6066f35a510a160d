//! Products in SQLite.

use money::{Currency, Money, MoneyError};
use pagination::{Page, PageRequest};
use serde::Deserialize;
use sqlite::Database;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, QueryBuilder, Row as _, Sqlite, SqliteConnection};

use crate::domain::{Filter, Product, search_text};

const SEED: &str = include_str!("../../shop/seed/products.json");

/// The products on disk; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: Database,
}

#[derive(Debug, Deserialize)]
struct SeedProduct {
    sku: String,
    name: String,
    description: String,
    category: String,
    price_cents: i64,
}

impl Store {
    /// Opens the database, migrates it, and fills it if it is empty.
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        let database = Database::open(url).await?;
        // One transaction for both, so that two instances that start together on one file do it once.
        let mut transaction = database.begin().await?;
        sqlite::migrate(&sqlx::migrate!("./migrations"), &mut transaction).await?;
        seed(&mut transaction).await?;
        transaction.commit().await?;
        Ok(Self { database })
    }

    /// Asks the database for an answer, whatever it is.
    pub(crate) async fn ping(&self) -> Result<(), sqlx::Error> {
        self.database.ping().await
    }

    /// A page of the products that `filter` lets through, by SKU.
    pub(crate) async fn list(
        &self,
        filter: &Filter,
        request: &PageRequest<String>,
    ) -> Result<Page<Product>, sqlx::Error> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM product WHERE sku > ");
        query.push_bind(request.after().map_or("", String::as_str));
        if let Some(category) = &filter.category {
            query.push(" AND category = ").push_bind(category);
        }
        if let Some(skus) = &filter.skus {
            query.push(" AND sku IN (");
            let mut list = query.separated(", ");
            for sku in skus {
                list.push_bind(sku);
            }
            query.push(")");
        }
        for word in &filter.words {
            query
                .push(" AND instr(search_text, ")
                .push_bind(word)
                .push(") > 0");
        }
        query
            .push(" ORDER BY sku LIMIT ")
            .push_bind(i64::from(request.limit()) + 1);
        let rows = query
            .build_query_as()
            .fetch_all(self.database.reads())
            .await?;
        Ok(Page::cut(rows, request, |product: &Product| {
            product.sku.clone()
        }))
    }

    /// The product with this SKU.
    pub(crate) async fn get(&self, sku: &str) -> Result<Option<Product>, sqlx::Error> {
        sqlx::query_as("SELECT * FROM product WHERE sku = ?")
            .bind(sku)
            .fetch_optional(self.database.reads())
            .await
    }
}

impl FromRow<'_, SqliteRow> for Product {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let currency: Currency = row
            .try_get::<String, _>("currency")?
            .parse()
            .map_err(|error: MoneyError| sqlx::Error::Decode(error.into()))?;
        Ok(Self {
            sku: row.try_get("sku")?,
            name: row.try_get("name")?,
            description: row.try_get("description")?,
            category: row.try_get("category")?,
            price: Money::new(row.try_get("price_cents")?, currency),
            version: row.try_get("version")?,
        })
    }
}

async fn seed(connection: &mut SqliteConnection) -> anyhow::Result<()> {
    let filled: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM product)")
        .fetch_one(&mut *connection)
        .await?;
    if filled {
        return Ok(());
    }
    for product in serde_json::from_str::<Vec<SeedProduct>>(SEED)? {
        let search_text = search_text(&product.sku, &product.name, &product.description);
        sqlx::query(
            "INSERT INTO product \
             (sku, name, description, category, currency, price_cents, search_text) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(product.sku)
        .bind(product.name)
        .bind(product.description)
        .bind(product.category)
        .bind(Currency::EUR.as_str())
        .bind(product.price_cents)
        .bind(search_text)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
