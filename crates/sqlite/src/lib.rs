//! A service's SQLite file: one queue of writers, several readers.
//!
//! SQLite knows one writer at a time. Two connections of one process that both want to write would
//! poll the file's lock, in no order and with growing pauses; here they queue for the one writing
//! connection, in order of arrival, and readers never wait for them (write-ahead log). Writers of
//! *other* processes are waited for up to [`BUSY_TIMEOUT`].
//!
//! A write transaction takes the lock when it begins (`BEGIN IMMEDIATE`): one that reads first and
//! then finds that another process has written meanwhile would fail at once, without waiting.
//!
//! ```no_run
//! # async fn open() -> Result<(), Box<dyn std::error::Error>> {
//! let database = sqlite::Database::open("sqlite://data/customer.db?mode=rwc").await?;
//! // Migrate and seed in one transaction: instances that start together on one file do it once.
//! let mut transaction = database.begin().await?;
//! sqlx::query("CREATE TABLE IF NOT EXISTS customer (id INTEGER PRIMARY KEY) STRICT")
//!     .execute(&mut *transaction)
//!     .await?;
//! transaction.commit().await?;
//! # Ok(())
//! # }
//! ```

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};
use sqlx::{Sqlite, SqliteConnection, Transaction};

/// How long a writer of another process may hold the file before we give up.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request may wait for a connection before it fails with [`sqlx::Error::PoolTimedOut`].
pub const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Reading connections of a process.
const READERS: u32 = 4;
/// Between two attempts to open a file that another process is just creating.
const OPEN_RETRY_PAUSE: Duration = Duration::from_millis(20);

/// An open database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    reads: SqlitePool,
    writes: SqlitePool,
}

impl Database {
    /// Opens the file that `url` names.
    ///
    /// Every commit is on disk when it is reported (`synchronous = FULL`), foreign keys hold.
    ///
    /// # Errors
    /// The URL is not one of SQLite's, or the file cannot be opened.
    pub async fn open(url: &str) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::from_str(url)?
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true);
        let pool = SqlitePoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT);
        let writing = pool.clone().max_connections(1);
        let writes = open_patiently(&writing, &options).await?;
        // A write that strays into the reading pool would dodge the queue: refuse it.
        let reading = options.pragma("query_only", "on");
        let reads = pool.max_connections(READERS).connect_lazy_with(reading);
        Ok(Self { reads, writes })
    }

    /// The connections to read with; they refuse to write.
    #[must_use]
    pub fn reads(&self) -> &SqlitePool {
        &self.reads
    }

    /// The connection for a single writing statement; several belong into [`Database::begin`].
    #[must_use]
    pub fn writes(&self) -> &SqlitePool {
        &self.writes
    }

    /// Begins a write transaction that holds the file's write lock from the start; it is rolled
    /// back when dropped without a commit.
    ///
    /// # Errors
    /// The connection or the lock was not free in time.
    pub async fn begin(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.writes.begin_with("BEGIN IMMEDIATE").await
    }

    /// Asks the database for an answer, whatever it is: the readiness check.
    ///
    /// # Errors
    /// It did not answer.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT 1").execute(&self.reads).await.map(drop)
    }
}

/// Brings the schema up to date within `connection`'s transaction.
///
/// # Errors
/// A migration fails, or one that was applied earlier has been changed since.
pub async fn migrate(
    migrator: &Migrator,
    connection: &mut SqliteConnection,
) -> Result<(), MigrateError> {
    // Not `Migrator::run`: its future is not `Send` when it borrows a connection (the compiler finds
    // that "implementation of `Acquire` is not general enough"), and services are started in tasks.
    migrator.run_direct(None, connection, false).await
}

/// Switching a fresh file to the write-ahead log wants an exclusive lock that SQLite does not wait
/// for, so that of several processes that start together all but one fail: try again.
async fn open_patiently(
    pool: &SqlitePoolOptions,
    options: &SqliteConnectOptions,
) -> Result<SqlitePool, sqlx::Error> {
    let give_up_at = tokio::time::Instant::now() + BUSY_TIMEOUT;
    loop {
        match pool.clone().connect_with(options.clone()).await {
            Err(error) if is_busy(&error) && tokio::time::Instant::now() < give_up_at => {
                tokio::time::sleep(OPEN_RETRY_PAUSE).await;
            }
            opened => return opened,
        }
    }
}

/// The primary result codes 5 (`SQLITE_BUSY`) and 6 (`SQLITE_LOCKED`), whatever their extension.
fn is_busy(error: &sqlx::Error) -> bool {
    const PRIMARY_CODE: u32 = 0xff;
    error
        .as_database_error()
        .and_then(|error| error.code()?.parse::<u32>().ok())
        .is_some_and(|code| matches!(code & PRIMARY_CODE, 5 | 6))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn url(folder: &Path) -> String {
        format!("sqlite://{}?mode=rwc", folder.join("test.db").display())
    }

    async fn open_and_fill(url: String) -> Result<Database, sqlx::Error> {
        let database = Database::open(&url).await?;
        let mut transaction = database.begin().await?;
        sqlx::query("CREATE TABLE IF NOT EXISTS counter (n INTEGER NOT NULL) STRICT")
            .execute(&mut *transaction)
            .await?;
        sqlx::query("INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counter)")
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(database)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn instances_that_start_together_on_one_file_all_open_it() {
        for _ in 0..10 {
            let folder = tempfile::tempdir().unwrap();
            let opening: Vec<_> = (0..8)
                .map(|_| tokio::spawn(open_and_fill(url(folder.path()))))
                .collect();
            for opened in opening {
                let database = opened.await.unwrap().unwrap();
                let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM counter")
                    .fetch_one(database.reads())
                    .await
                    .unwrap();
                assert_eq!(rows, 1);
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_write_of_two_instances_is_lost_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let instances = [
            open_and_fill(url(folder.path())).await.unwrap(),
            open_and_fill(url(folder.path())).await.unwrap(),
        ];
        let writers: Vec<_> = (0..40)
            .map(|n| {
                let database = instances[n % 2].clone();
                tokio::spawn(async move {
                    let mut transaction = database.begin().await?;
                    let n: i64 = sqlx::query_scalar("SELECT n FROM counter")
                        .fetch_one(&mut *transaction)
                        .await?;
                    sqlx::query("UPDATE counter SET n = ?")
                        .bind(n + 1)
                        .execute(&mut *transaction)
                        .await?;
                    transaction.commit().await
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap().unwrap();
        }
        let n: i64 = sqlx::query_scalar("SELECT n FROM counter")
            .fetch_one(instances[0].reads())
            .await
            .unwrap();
        assert_eq!(n, 40);
    }

    #[tokio::test]
    async fn the_reading_connections_refuse_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let database = open_and_fill(url(folder.path())).await.unwrap();
        let written = sqlx::query("UPDATE counter SET n = 1")
            .execute(database.reads())
            .await;
        assert!(written.unwrap_err().to_string().contains("readonly"));
    }
}
