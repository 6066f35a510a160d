//! Authorization codes: each is good once, and a second use undoes the first.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use crate::clock::UnixSeconds;
use crate::domain::error::OAuthError;
use crate::domain::grant::{IssuedCode, PersonGrant, Redemption};
use crate::domain::pkce::Challenge;
use crate::domain::scope::{OFFLINE_ACCESS, Scopes};
use crate::opaque::Hash;
use crate::store::refresh::{self, NewRefreshToken};
use crate::store::{GrantError, ROWS_PER_USER_MAX, Store, damaged};

/// How long a code is remembered after its end, in seconds, so that a late second use still revokes
/// what the first one brought.
const REMEMBERED_S: i64 = 10 * 60;

impl Store {
    /// Keeps a new code.
    pub(crate) async fn add_code(
        &self,
        hash: Hash,
        code: &IssuedCode,
        now: UnixSeconds,
    ) -> Result<(), sqlx::Error> {
        let mut transaction = self.database.begin().await?;
        sqlx::query("DELETE FROM code WHERE expires_at <= ?")
            .bind(now.saturating_sub(REMEMBERED_S))
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO code (code_hash, client_id, redirect_uri, code_challenge, scope, nonce, \
               sub, sid, auth_time, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(hash.as_bytes())
        .bind(&code.grant.client_id)
        .bind(&code.redirect_uri)
        .bind(code.challenge.as_str())
        .bind(code.grant.scope.to_string())
        .bind(&code.grant.nonce)
        .bind(&code.grant.sub)
        .bind(&code.grant.sid)
        .bind(code.grant.auth_time)
        .bind(code.expires_at)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "DELETE FROM code WHERE rowid IN \
               (SELECT rowid FROM code WHERE sub = ? ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
        )
        .bind(&code.grant.sub)
        .bind(ROWS_PER_USER_MAX)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }

    /// Redeems a code. If the grant allows refreshing, `refresh` becomes its first refresh token.
    ///
    /// The first attempt of the right client spends the code, even if it fails: whoever tries again
    /// with another verifier is guessing.
    pub(crate) async fn redeem_code(
        &self,
        code: &str,
        client_id: &str,
        redemption: Redemption<'_>,
        refresh: Option<&NewRefreshToken>,
        now: UnixSeconds,
    ) -> Result<PersonGrant, GrantError> {
        let hash = Hash::of(code);
        let mut transaction = self.database.begin().await?;
        let row = sqlx::query("SELECT * FROM code WHERE code_hash = ?")
            .bind(hash.as_bytes())
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(row) = row else {
            return Err(OAuthError::invalid_grant("the code is not known").into());
        };
        let issued = issued(&row)?;
        if issued.grant.client_id != client_id {
            return Err(OAuthError::invalid_grant("the code is another client's").into());
        }
        if row.try_get::<bool, _>("spent")? {
            if let Some(family) = row.try_get::<Option<Vec<u8>>, _>("family_hash")? {
                tracing::warn!(
                    client_id,
                    sub = issued.grant.sub,
                    "a code came twice; its refresh tokens are revoked"
                );
                refresh::revoke(&mut transaction, &family).await?;
            }
            transaction.commit().await?;
            return Err(OAuthError::invalid_grant("the code has been used").into());
        }
        let checked = issued.check(redemption, now);
        let refresh =
            refresh.filter(|_| checked.is_ok() && issued.grant.scope.contains(OFFLINE_ACCESS));
        spend(&mut transaction, hash, refresh).await?;
        if let Some(refresh) = refresh {
            refresh::add_family(&mut transaction, refresh, &issued.grant, now).await?;
        }
        transaction.commit().await?;
        checked?;
        Ok(issued.grant)
    }
}

async fn spend(
    connection: &mut SqliteConnection,
    hash: Hash,
    refresh: Option<&NewRefreshToken>,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE code SET spent = 1, family_hash = ? WHERE code_hash = ?")
        .bind(refresh.map(|refresh| refresh.family.as_bytes()))
        .bind(hash.as_bytes())
        .execute(connection)
        .await
        .map(drop)
}

fn issued(row: &SqliteRow) -> Result<IssuedCode, sqlx::Error> {
    Ok(IssuedCode {
        grant: PersonGrant {
            client_id: row.try_get("client_id")?,
            sub: row.try_get("sub")?,
            sid: row.try_get("sid")?,
            auth_time: row.try_get("auth_time")?,
            scope: Scopes::parse(row.try_get("scope")?),
            nonce: row.try_get("nonce")?,
        },
        redirect_uri: row.try_get("redirect_uri")?,
        challenge: Challenge::parse(row.try_get("code_challenge")?)
            .ok_or_else(|| damaged("code_challenge"))?,
        expires_at: row.try_get("expires_at")?,
    })
}
