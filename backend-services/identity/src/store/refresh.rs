//! Refresh tokens: a new one at every use, and a family that ends when an old one comes back.
//!
//! A token is `<family>.<secret>`. The family's row holds the newest secret only, so the number of
//! refreshes costs no space; any other secret under a known family is an old token, which the
//! client has replaced: two parties hold it, and one of them must not (RFC 9700, section 4.14.2).

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use crate::clock::UnixSeconds;
use crate::domain::error::OAuthError;
use crate::domain::grant::{PersonGrant, REFRESH_IDLE_S, REFRESH_TOTAL_S, RefreshFamily};
use crate::domain::scope::Scopes;
use crate::opaque::{Hash, random_secret};
use crate::store::{GrantError, ROWS_PER_USER_MAX, Store, damaged};

/// A refresh token that a client presents.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RefreshToken<'a> {
    family: &'a str,
    secret: &'a str,
}

/// A refresh token on its way out, and the hashes that stay.
#[derive(Debug)]
pub(crate) struct NewRefreshToken {
    /// What the client gets.
    pub(crate) text: String,
    pub(crate) family: Hash,
    pub(crate) secret: Hash,
}

/// A request to use a refresh token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rotation<'a> {
    pub(crate) presented: RefreshToken<'a>,
    pub(crate) client_id: &'a str,
    /// The `scope` parameter.
    pub(crate) scope: Option<&'a str>,
}

impl<'a> RefreshToken<'a> {
    /// Takes a token apart; `None` if it cannot be one of ours.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        text.split_once('.')
            .map(|(family, secret)| Self { family, secret })
    }

    /// The token that replaces this one.
    pub(crate) fn successor(self) -> NewRefreshToken {
        NewRefreshToken::in_family(self.family)
    }
}

impl NewRefreshToken {
    /// The first token of a new family.
    pub(crate) fn first() -> Self {
        Self::in_family(&random_secret())
    }

    fn in_family(family: &str) -> Self {
        let secret = random_secret();
        Self {
            text: format!("{family}.{secret}"),
            family: Hash::of(family),
            secret: Hash::of(&secret),
        }
    }
}

impl Store {
    /// Uses a refresh token: `next` takes its place. Answers with the grant, its scope narrowed as
    /// asked for this once.
    pub(crate) async fn rotate_refresh_token(
        &self,
        rotation: Rotation<'_>,
        next: &NewRefreshToken,
        now: UnixSeconds,
    ) -> Result<PersonGrant, GrantError> {
        let mut transaction = self.database.begin().await?;
        let row = sqlx::query("SELECT * FROM refresh_family WHERE family_hash = ?")
            .bind(next.family.as_bytes())
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(row) = row else {
            return Err(OAuthError::invalid_grant("the refresh token is not known").into());
        };
        let family = family(&row)?;
        family.check(rotation.client_id, now)?;
        let current = Hash::from_bytes(row.try_get("current_hash")?)
            .ok_or_else(|| damaged("current_hash"))?;
        if current != Hash::of(rotation.presented.secret) {
            tracing::warn!(
                client_id = rotation.client_id,
                sub = family.grant.sub,
                "a refresh token came twice; its family is revoked"
            );
            revoke(&mut transaction, next.family.as_bytes()).await?;
            transaction.commit().await?;
            return Err(OAuthError::invalid_grant("the refresh token has been used").into());
        }
        let scope = family.narrowed_scope(rotation.scope)?;
        sqlx::query(
            "UPDATE refresh_family SET current_hash = ?, idle_until = ? WHERE family_hash = ?",
        )
        .bind(next.secret.as_bytes())
        .bind(now.saturating_add(REFRESH_IDLE_S))
        .bind(next.family.as_bytes())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(PersonGrant {
            scope,
            ..family.grant
        })
    }
}

/// Begins a family.
pub(super) async fn add_family(
    connection: &mut SqliteConnection,
    token: &NewRefreshToken,
    grant: &PersonGrant,
    now: UnixSeconds,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM refresh_family WHERE ends_at <= ?1 OR idle_until <= ?1")
        .bind(now)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO refresh_family (family_hash, current_hash, client_id, scope, sub, sid, \
           auth_time, idle_until, ends_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(token.family.as_bytes())
    .bind(token.secret.as_bytes())
    .bind(&grant.client_id)
    .bind(grant.scope.to_string())
    .bind(&grant.sub)
    .bind(&grant.sid)
    .bind(grant.auth_time)
    .bind(now.saturating_add(REFRESH_IDLE_S))
    .bind(now.saturating_add(REFRESH_TOTAL_S))
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM refresh_family WHERE rowid IN \
           (SELECT rowid FROM refresh_family WHERE sub = ? ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
    )
    .bind(&grant.sub)
    .bind(ROWS_PER_USER_MAX)
    .execute(connection)
    .await
    .map(drop)
}

/// Revokes a family. Its row stays until its time is over, so that its tokens are known as revoked.
pub(super) async fn revoke(
    connection: &mut SqliteConnection,
    family_hash: &[u8],
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE refresh_family SET revoked = 1 WHERE family_hash = ?")
        .bind(family_hash)
        .execute(connection)
        .await
        .map(drop)
}

fn family(row: &SqliteRow) -> Result<RefreshFamily, sqlx::Error> {
    Ok(RefreshFamily {
        grant: PersonGrant {
            client_id: row.try_get("client_id")?,
            sub: row.try_get("sub")?,
            sid: row.try_get("sid")?,
            auth_time: row.try_get("auth_time")?,
            scope: Scopes::parse(row.try_get("scope")?),
            nonce: None,
        },
        idle_until: row.try_get("idle_until")?,
        ends_at: row.try_get("ends_at")?,
        revoked: row.try_get("revoked")?,
    })
}
