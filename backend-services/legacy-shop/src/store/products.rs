//! Products.

use money::Money;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, QueryBuilder, Row as _, Sqlite};

use super::Store;
use super::database::currency;
use crate::domain::{Filter, Product};

impl Store {
    /// At most `rows` of the products that `filter` lets through, by SKU, after the SKU `after`.
    pub(crate) async fn products(
        &self,
        filter: &Filter,
        after: &str,
        rows: u32,
    ) -> Result<Vec<Product>, sqlx::Error> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM products WHERE sku > ");
        query.push_bind(after);
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
        query.push(" ORDER BY sku LIMIT ").push_bind(rows);
        query
            .build_query_as()
            .fetch_all(self.database.reads())
            .await
    }

    /// The product with this SKU.
    pub(crate) async fn product(&self, sku: &str) -> Result<Option<Product>, sqlx::Error> {
        sqlx::query_as("SELECT * FROM products WHERE sku = ?")
            .bind(sku)
            .fetch_optional(self.database.reads())
            .await
    }
}

impl FromRow<'_, SqliteRow> for Product {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            sku: row.try_get("sku")?,
            name: row.try_get("name")?,
            description: row.try_get("description")?,
            category: row.try_get("category")?,
            price: Money::new(row.try_get("price_cents")?, currency(row)?),
            version: row.try_get("version")?,
        })
    }
}
