//! The directory on disk, so that a restart forgets nobody.

use sqlite::Database;
use sqlx::{Row as _, Sqlite, Transaction};

use crate::domain::{Key, Record};

/// The registry's database; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: Database,
}

/// Everything that was on disk.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) index: u64,
    pub(crate) records: Vec<Record>,
}

impl Store {
    /// Opens the database and brings its schema up to date.
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        let database = Database::open(url).await?;
        let mut transaction = database.begin().await?;
        sqlx::migrate!("./migrations")
            .run(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Self { database })
    }

    /// Asks the database for an answer, whatever it is.
    pub(crate) async fn ping(&self) -> Result<(), sqlx::Error> {
        self.database.ping().await
    }

    /// Reads all of it. A record that can't be read is left out and said: its instance will
    /// register again.
    pub(crate) async fn load(&self) -> Result<Saved, sqlx::Error> {
        let index: Option<i64> =
            sqlx::query_scalar(r#"SELECT "index" FROM last_change WHERE one = 1"#)
                .fetch_optional(self.database.reads())
                .await?;
        let rows = sqlx::query("SELECT service, id, lease_id, status, registration FROM instance")
            .fetch_all(self.database.reads())
            .await?;
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            let key = Key {
                service: row.try_get("service")?,
                id: row.try_get("id")?,
            };
            let lease_id = row.try_get("lease_id")?;
            let status = serde_json::from_str(row.try_get("status")?);
            let registration = serde_json::from_str(row.try_get("registration")?);
            match (status, registration) {
                (Ok(status), Ok(registration)) => {
                    records.push(Record {
                        key,
                        lease_id,
                        status,
                        registration,
                    });
                }
                (Err(error), _) | (_, Err(error)) => {
                    tracing::error!(service = key.service, id = key.id, %error, "record skipped");
                }
            }
        }
        let index = index
            .and_then(|index| u64::try_from(index).ok())
            .unwrap_or_default();
        Ok(Saved { index, records })
    }

    /// Writes changes, all or none of them.
    pub(crate) async fn save(
        &self,
        index: u64,
        changes: &[(Key, Option<Record>)],
    ) -> anyhow::Result<()> {
        let mut transaction = self.database.begin().await?;
        for (key, record) in changes {
            match record {
                Some(record) => upsert(&mut transaction, record).await?,
                None => delete(&mut transaction, key).await?,
            }
        }
        sqlx::query(
            r#"INSERT INTO last_change (one, "index") VALUES (1, ?)
               ON CONFLICT (one) DO UPDATE SET "index" = excluded."index""#,
        )
        .bind(i64::try_from(index)?)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}

async fn upsert(
    transaction: &mut Transaction<'static, Sqlite>,
    record: &Record,
) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO instance (service, id, lease_id, status, registration) VALUES (?, ?, ?, ?, ?) \
         ON CONFLICT (service, id) DO UPDATE SET lease_id = excluded.lease_id, \
         status = excluded.status, registration = excluded.registration",
    )
    .bind(&record.key.service)
    .bind(&record.key.id)
    .bind(&record.lease_id)
    .bind(serde_json::to_string(&record.status)?)
    .bind(serde_json::to_string(&record.registration)?)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn delete(
    transaction: &mut Transaction<'static, Sqlite>,
    key: &Key,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM instance WHERE service = ? AND id = ?")
        .bind(&key.service)
        .bind(&key.id)
        .execute(&mut **transaction)
        .await
        .map(drop)
}
