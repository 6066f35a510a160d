//! Products and prices.
//!
//! Read-heavy and called by client-side discovery, so several instances may serve one database
//! file. A request passes through `http` (JSON, errors to problem details), `domain` (products
//! and what a search may ask for, pure) and `store` (SQLite).
//!
//! | request | answer |
//! |---|---|
//! | `GET /products?q=&category=&limit=&cursor=` | a page of products, by SKU |
//! | `GET /products?ids=TEA-001,CUP-001` | these products, those that exist |
//! | `GET /products/{sku}` | the product |

mod http;
mod domain;
mod store;

use anyhow::Context as _;
use chassis::{Running, Service, Settings};

use crate::store::Store;

/// The service's name in the registry, its logs and its database file.
const NAME: &str = "catalog";

/// The command line of the catalogue service.
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
        .context("catalog database")?;
    let probe = store.clone();
    Service::new(NAME, http::routes(store))
        .ready_when("database", move || {
            let probe = probe.clone();
            Box::pin(async move { probe.ping().await.map_err(|error| error.to_string()) })
        })
        .start(settings)
        .await
}
