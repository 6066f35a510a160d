//! Stock: what is available, what is reserved for whom.
//!
//! A request passes through `http` (JSON, errors to problem details), `domain` (stock
//! arithmetic and what a reservation may look like, pure) and `store` (SQLite).
//!
//! | request | answer |
//! |---|---|
//! | `GET /stock?skus=&limit=&cursor=` | a page of stock, by SKU |
//! | `GET /stock/{sku}` | the stock of one product |
//! | `PUT /stock/{sku}` `{available, version}` | the corrected stock; 409 `version_conflict` |
//! | `PUT /stock/reservations/{id}` `{lines}` | 201, or 200 if it was made before; 409 `insufficient_stock` |
//! | `GET /stock/reservations/{id}` | the reservation |
//! | `DELETE /stock/reservations/{id}` | 204, always: the stock is free again, and stays free |
//!
//! **Reserving is all or nothing** and may be repeated. **Release wins:** a reservation that is
//! released before it is made can never be made, so that a caller that does not know how its reserve
//! ended needs only to release.

mod http;
mod domain;
mod store;

use anyhow::Context as _;
use chassis::{Running, Service, Settings};

use crate::store::Store;

/// The service's name in the registry, its logs and its database file.
const NAME: &str = "inventory";

/// The command line of the inventory service.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What every service takes.
    #[command(flatten)]
    pub service: Settings,
}

/// Opens the database (creating and seeding it the first time) and starts to serve.
///
/// # Errors
/// The database cannot be opened or migrated, or the address cannot be bound.
pub async fn start(options: Options) -> anyhow::Result<Running> {
    let settings = &options.service;
    tokio::fs::create_dir_all(&settings.data_dir)
        .await
        .with_context(|| format!("cannot create {}", settings.data_dir.display()))?;
    let store = Store::open(&settings.database_url(NAME))
        .await
        .context("inventory database")?;
    let probe = store.clone();
    Service::new(NAME, http::routes(store))
        .ready_when("database", move || {
            let probe = probe.clone();
            Box::pin(async move { probe.ping().await.map_err(|error| error.to_string()) })
        })
        .start(settings)
        .await
}
