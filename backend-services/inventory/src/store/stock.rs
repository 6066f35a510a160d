//! Opening the database, and the stock of single products.
//!
//! A count of one product has no transaction: the version in its condition is enough.

use pagination::{Page, PageRequest};
use sqlite::Database;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqliteExecutor};

use super::{Store, seed};
use crate::domain::Stock;

/// Says why a count was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecountError {
    #[error("no such product")]
    NotFound,
    #[error("the stock is at version {current}")]
    Stale { current: i64 },
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Store {
    /// Opens the database, migrates it, and fills it if it is empty.
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        let database = Database::open(url).await?;
        // One transaction for both, so that two instances that start together on one file do it once.
        let mut transaction = database.begin().await?;
        sqlite::migrate(&sqlx::migrate!("./migrations"), &mut transaction).await?;
        seed::fill(&mut transaction).await?;
        transaction.commit().await?;
        Ok(Self { database })
    }

    /// Asks the database for an answer, whatever it is.
    pub(crate) async fn ping(&self) -> Result<(), sqlx::Error> {
        self.database.ping().await
    }

    /// A page of stock by SKU, of all products or of those named.
    pub(crate) async fn list(
        &self,
        skus: Option<&[String]>,
        request: &PageRequest<String>,
    ) -> Result<Page<Stock>, sqlx::Error> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM stock WHERE sku > ");
        query.push_bind(request.after().map_or("", String::as_str));
        if let Some(skus) = skus {
            query.push(" AND sku IN (");
            let mut list = query.separated(", ");
            for sku in skus {
                list.push_bind(sku);
            }
            query.push(")");
        }
        query
            .push(" ORDER BY sku LIMIT ")
            .push_bind(i64::from(request.limit()) + 1);
        let rows = query
            .build_query_as()
            .fetch_all(self.database.reads())
            .await?;
        Ok(Page::cut(rows, request, |stock: &Stock| stock.sku.clone()))
    }

    /// The stock of one product.
    pub(crate) async fn get(&self, sku: &str) -> Result<Option<Stock>, sqlx::Error> {
        sqlx::query_as("SELECT * FROM stock WHERE sku = ?")
            .bind(sku)
            .fetch_optional(self.database.reads())
            .await
    }

    /// Writes what a count found, unless the stock has moved on from `version`.
    pub(crate) async fn recount(
        &self,
        sku: &str,
        available: u32,
        version: i64,
    ) -> Result<Stock, RecountError> {
        let current = self.get(sku).await?.ok_or(RecountError::NotFound)?;
        if current.version != version {
            return Err(RecountError::Stale {
                current: current.version,
            });
        }
        let counted = current.recount(available);
        if write_stock(self.database.writes(), &counted, version).await? {
            return Ok(counted);
        }
        let current = self.get(sku).await?.ok_or(RecountError::NotFound)?.version;
        Err(RecountError::Stale { current })
    }
}

/// The stock of one product, as the transaction sees it.
pub(super) async fn find_stock(
    connection: &mut SqliteConnection,
    sku: &str,
) -> Result<Option<Stock>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM stock WHERE sku = ?")
        .bind(sku)
        .fetch_optional(connection)
        .await
}

/// Writes stock that was read in the same write transaction, where nobody can have changed it.
pub(super) async fn write_locked(
    connection: &mut SqliteConnection,
    stock: &Stock,
    from_version: i64,
) -> Result<(), sqlx::Error> {
    let written = write_stock(connection, stock, from_version).await?;
    if written {
        Ok(())
    } else {
        Err(sqlx::Error::RowNotFound)
    }
}

/// Whether the stock was still at `from_version` and could be written.
async fn write_stock<'e>(
    executor: impl SqliteExecutor<'e>,
    stock: &Stock,
    from_version: i64,
) -> Result<bool, sqlx::Error> {
    let written = sqlx::query(
        "UPDATE stock SET available = ?, reserved = ?, version = ? WHERE sku = ? AND version = ?",
    )
    .bind(stock.available)
    .bind(stock.reserved)
    .bind(stock.version)
    .bind(&stock.sku)
    .bind(from_version)
    .execute(executor)
    .await?;
    Ok(written.rows_affected() == 1)
}
