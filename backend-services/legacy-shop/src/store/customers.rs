//! Customers.

use money::Money;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row as _};

use super::Store;
use super::database::currency;
use crate::domain::{Change, ChangeError, Customer};

/// Says why a customer was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpdateError {
    #[error("no such customer")]
    NotFound,
    #[error("refused: {0:?}")]
    Refused(ChangeError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Store {
    /// At most `rows` customers after the number `after`, by number.
    pub(crate) async fn customers(
        &self,
        after: Option<i64>,
        rows: u32,
    ) -> Result<Vec<Customer>, sqlx::Error> {
        sqlx::query_as("SELECT * FROM customers WHERE id > ? ORDER BY id LIMIT ?")
            .bind(after.unwrap_or(i64::MIN))
            .bind(rows)
            .fetch_all(self.database.reads())
            .await
    }

    /// The customer with this number.
    pub(crate) async fn customer(&self, id: i64) -> Result<Option<Customer>, sqlx::Error> {
        sqlx::query_as("SELECT * FROM customers WHERE id = ?")
            .bind(id)
            .fetch_optional(self.database.reads())
            .await
    }

    /// Changes a customer, unless it has moved on from the version the change was made from.
    pub(crate) async fn update_customer(
        &self,
        id: i64,
        change: Change,
    ) -> Result<Customer, UpdateError> {
        let current = self.customer(id).await?.ok_or(UpdateError::NotFound)?;
        let changed = current.changed(change).map_err(UpdateError::Refused)?;
        // No lock was held since the read: the version in the condition is what makes this safe.
        let written = sqlx::query(
            "UPDATE customers SET name = ?, email = ?, city = ?, credit_limit_cents = ?, version = ? \
             WHERE id = ? AND version = ?",
        )
        .bind(&changed.name)
        .bind(&changed.email)
        .bind(&changed.city)
        .bind(changed.credit_limit.cents)
        .bind(changed.version)
        .bind(id)
        .bind(current.version)
        .execute(self.database.writes())
        .await?;
        if written.rows_affected() == 1 {
            return Ok(changed);
        }
        let current = self.customer(id).await?.ok_or(UpdateError::NotFound)?;
        let current = current.version;
        Err(UpdateError::Refused(ChangeError::Stale { current }))
    }
}

impl FromRow<'_, SqliteRow> for Customer {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let currency = currency(row)?;
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            email: row.try_get("email")?,
            city: row.try_get("city")?,
            credit_limit: Money::new(row.try_get("credit_limit_cents")?, currency),
            open: Money::new(row.try_get("open_cents")?, currency),
            version: row.try_get("version")?,
        })
    }
}
