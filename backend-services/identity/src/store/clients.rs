//! Registered clients.

use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row as _, SqliteConnection};

use crate::domain::client::{Client, Grant};
use crate::domain::scope::Scopes;
use crate::opaque::Hash;
use crate::store::{Store, damaged};

impl Store {
    /// The client with this id.
    pub(crate) async fn client(&self, id: &str) -> Result<Option<Client>, sqlx::Error> {
        sqlx::query_as("SELECT * FROM client WHERE id = ?")
            .bind(id)
            .fetch_optional(self.database.reads())
            .await
    }
}

/// Registers a client, or brings its registration up to date.
pub(super) async fn register(
    connection: &mut SqliteConnection,
    client: &Client,
) -> anyhow::Result<()> {
    let grants: Vec<&str> = client.grants.iter().map(|grant| grant.as_str()).collect();
    sqlx::query(
        "INSERT INTO client \
           (id, name, secret_hash, redirect_uris, post_logout_redirect_uris, grants, scope) \
         VALUES (?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET \
           name = excluded.name, secret_hash = excluded.secret_hash, \
           redirect_uris = excluded.redirect_uris, \
           post_logout_redirect_uris = excluded.post_logout_redirect_uris, \
           grants = excluded.grants, scope = excluded.scope",
    )
    .bind(&client.id)
    .bind(&client.name)
    .bind(client.secret.as_ref().map(Hash::as_bytes))
    .bind(serde_json::to_string(&client.redirect_uris)?)
    .bind(serde_json::to_string(&client.post_logout_redirect_uris)?)
    .bind(grants.join(" "))
    .bind(client.scopes.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

impl FromRow<'_, SqliteRow> for Client {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let secret = row
            .try_get::<Option<Vec<u8>>, _>("secret_hash")?
            .map(|bytes| Hash::from_bytes(&bytes).ok_or_else(|| damaged("secret_hash")))
            .transpose()?;
        let grants: String = row.try_get("grants")?;
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            secret,
            redirect_uris: list(row, "redirect_uris")?,
            post_logout_redirect_uris: list(row, "post_logout_redirect_uris")?,
            grants: grants
                .split_whitespace()
                .map(|grant| Grant::parse(grant).ok_or_else(|| damaged("grants")))
                .collect::<Result<_, _>>()?,
            scopes: Scopes::parse(row.try_get("scope")?),
        })
    }
}

fn list(row: &SqliteRow, column: &'static str) -> Result<Vec<String>, sqlx::Error> {
    serde_json::from_str(row.try_get(column)?).map_err(|_| damaged(column))
}
