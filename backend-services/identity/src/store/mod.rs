//! What survives a restart, in SQLite: clients, sessions, codes and refresh families.
//!
//! Everything is bounded. Rows belong to a user, of whom there is a fixed number, and each user may
//! have [`ROWS_PER_USER_MAX`] of a kind; the oldest makes room. What has expired is swept when the
//! next row comes, so there is no task that could die unnoticed.

mod clients;
mod sessions;
mod codes;
mod refresh;

use sqlite::Database;

use crate::domain::client::Client;
use crate::domain::error::OAuthError;

pub(crate) use refresh::{NewRefreshToken, RefreshToken, Rotation};
pub(crate) use sessions::Session;

/// Sessions, codes or refresh families of one user; far more than a person has devices.
const ROWS_PER_USER_MAX: i64 = 1_000;

/// The provider's database; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: Database,
}

/// Says why a code or a refresh token brought nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GrantError {
    #[error(transparent)]
    Refused(#[from] OAuthError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Store {
    /// Opens the database, migrates it, and registers `clients` as they are configured now.
    pub(crate) async fn open(url: &str, clients: &[Client]) -> anyhow::Result<Self> {
        let database = Database::open(url).await?;
        // One transaction, so that instances that start together on one file do it once.
        let mut transaction = database.begin().await?;
        sqlx::migrate!("./migrations")
            .run(&mut *transaction)
            .await?;
        for client in clients {
            clients::register(&mut transaction, client).await?;
        }
        transaction.commit().await?;
        Ok(Self { database })
    }

    /// Asks the database for an answer, whatever it is.
    pub(crate) async fn ping(&self) -> Result<(), sqlx::Error> {
        self.database.ping().await
    }
}

/// An error for a column that does not hold what we once wrote.
fn damaged(column: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(format!("the column `{column}` is damaged").into())
}
