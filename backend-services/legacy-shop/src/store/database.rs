//! Opening the database.

use money::{Currency, MoneyError};
use sqlite::Database;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::seed;

/// The shop on disk; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(super) database: Database,
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
}

/// The column `currency`.
pub(super) fn currency(row: &SqliteRow) -> Result<Currency, sqlx::Error> {
    row.try_get::<String, _>("currency")?
        .parse()
        .map_err(|error: MoneyError| sqlx::Error::Decode(error.into()))
}
