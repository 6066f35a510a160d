//! Customers and their credit.
//!
//! The service that the monolith's customers move to, one cohort at a time. A request passes
//! through `http` (JSON in and out, errors to problem details), `domain` (what a customer may
//! look like, pure) and `store` (SQLite, optimistic locking by `version`).
//!
//! | request | answer |
//! |---|---|
//! | `GET /customers?limit=&cursor=` | a page of customers, by id |
//! | `GET /customers/{id}` | the customer |
//! | `PUT /customers/{id}` | the changed customer; 409 `version_conflict` if it changed meanwhile |
//! | `GET /customers/{id}/credit` | `{limit, available}` |

mod http;
mod domain;
mod store;

use anyhow::Context as _;
use chassis::{Running, Service, Settings};

use crate::store::Store;

/// The service's name in the registry, its logs and its database file.
const NAME: &str = "customer";

/// The command line of the customer service.
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
        .context("customer database")?;
    let probe = store.clone();
    Service::new(NAME, http::routes(store))
        .ready_when("database", move || {
            let probe = probe.clone();
            Box::pin(async move { probe.ping().await.map_err(|error| error.to_string()) })
        })
        .start(settings)
        .await
}
