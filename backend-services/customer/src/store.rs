//! Customers in SQLite.

use money::{Currency, Money, MoneyError};
use pagination::{Page, PageRequest};
use serde::Deserialize;
use sqlite::Database;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row as _, SqliteConnection};

use crate::domain::{Change, ChangeError, Customer};

const SEED: &str = include_str!("../../shop/seed/customers.json");

/// The customers on disk; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: Database,
}

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

#[derive(Debug, Deserialize)]
struct SeedCustomer {
    id: i64,
    name: String,
    email: String,
    city: String,
    credit_limit_cents: i64,
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

    /// A page of customers, by id.
    pub(crate) async fn list(
        &self,
        request: &PageRequest<i64>,
    ) -> Result<Page<Customer>, sqlx::Error> {
        let rows = sqlx::query_as("SELECT * FROM customer WHERE id > ? ORDER BY id LIMIT ?")
            .bind(request.after().copied().unwrap_or(i64::MIN))
            .bind(i64::from(request.limit()) + 1)
            .fetch_all(self.database.reads())
            .await?;
        Ok(Page::cut(rows, request, |customer: &Customer| customer.id))
    }

    /// The customer with this id.
    pub(crate) async fn get(&self, id: i64) -> Result<Option<Customer>, sqlx::Error> {
        sqlx::query_as("SELECT * FROM customer WHERE id = ?")
            .bind(id)
            .fetch_optional(self.database.reads())
            .await
    }

    /// Changes a customer, unless it has moved on from the version the change was made from.
    pub(crate) async fn update(&self, id: i64, change: Change) -> Result<Customer, UpdateError> {
        let current = self.get(id).await?.ok_or(UpdateError::NotFound)?;
        let changed = current.changed(change).map_err(UpdateError::Refused)?;
        // No lock was held since the read: the version in the condition is what makes this safe.
        let written = sqlx::query(
            "UPDATE customer SET name = ?, email = ?, city = ?, credit_limit_cents = ?, version = ? \
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
        let current = self.get(id).await?.ok_or(UpdateError::NotFound)?.version;
        Err(UpdateError::Refused(ChangeError::Stale { current }))
    }
}

impl FromRow<'_, SqliteRow> for Customer {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let currency: Currency = row
            .try_get::<String, _>("currency")?
            .parse()
            .map_err(|error: MoneyError| sqlx::Error::Decode(error.into()))?;
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

async fn seed(connection: &mut SqliteConnection) -> anyhow::Result<()> {
    let filled: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM customer)")
        .fetch_one(&mut *connection)
        .await?;
    if filled {
        return Ok(());
    }
    for customer in serde_json::from_str::<Vec<SeedCustomer>>(SEED)? {
        sqlx::query(
            "INSERT INTO customer (id, name, email, city, currency, credit_limit_cents) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(customer.id)
        .bind(customer.name)
        .bind(customer.email)
        .bind(customer.city)
        .bind(Currency::EUR.as_str())
        .bind(customer.credit_limit_cents)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
