//! Browsers that are signed in here.

use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row as _};

use crate::clock::UnixSeconds;
use crate::opaque::Hash;
use crate::store::{ROWS_PER_USER_MAX, Store};

/// A signed-in browser. It proves itself by a cookie; clients know it by `sid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) sid: String,
    pub(crate) sub: String,
    pub(crate) auth_time: UnixSeconds,
    pub(crate) expires_at: UnixSeconds,
}

impl Store {
    /// Keeps a new session, under the hash of its cookie.
    pub(crate) async fn add_session(
        &self,
        cookie: Hash,
        session: &Session,
        now: UnixSeconds,
    ) -> Result<(), sqlx::Error> {
        let mut transaction = self.database.begin().await?;
        sqlx::query("DELETE FROM session WHERE expires_at <= ?")
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO session (id_hash, sid, sub, auth_time, expires_at) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(cookie.as_bytes())
        .bind(&session.sid)
        .bind(&session.sub)
        .bind(session.auth_time)
        .bind(session.expires_at)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "DELETE FROM session WHERE rowid IN \
               (SELECT rowid FROM session WHERE sub = ? ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
        )
        .bind(&session.sub)
        .bind(ROWS_PER_USER_MAX)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }

    /// The session that a cookie proves, while it lasts.
    pub(crate) async fn session(
        &self,
        cookie: Hash,
        now: UnixSeconds,
    ) -> Result<Option<Session>, sqlx::Error> {
        sqlx::query_as("SELECT * FROM session WHERE id_hash = ? AND expires_at > ?")
            .bind(cookie.as_bytes())
            .bind(now)
            .fetch_optional(self.database.reads())
            .await
    }

    /// Ends a session and every refresh family that came of it: who signs out here is signed out.
    pub(crate) async fn end_session(&self, sid: &str) -> Result<(), sqlx::Error> {
        let mut transaction = self.database.begin().await?;
        for statement in [
            "DELETE FROM session WHERE sid = ?",
            "UPDATE code SET spent = 1 WHERE sid = ?",
            "UPDATE refresh_family SET revoked = 1 WHERE sid = ?",
        ] {
            sqlx::query(statement)
                .bind(sid)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    }
}

impl FromRow<'_, SqliteRow> for Session {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            sid: row.try_get("sid")?,
            sub: row.try_get("sub")?,
            auth_time: row.try_get("auth_time")?,
            expires_at: row.try_get("expires_at")?,
        })
    }
}
