//! Orders: the service that orchestrates catalogue and inventory.
//!
//! A request passes through `http` (JSON, errors to problem details), `placement` (the steps of
//! placing and cancelling, with `idempotency`), `domain` (states and prices, pure), the two
//! services it calls (`catalog`, `inventory`, found by `peers`) and `store` (SQLite).
//! `sweep` finishes what a crash or a silent peer has left behind.
//!
//! | request | answer |
//! |---|---|
//! | `POST /orders` with `Idempotency-Key` | 201 and the order; 409 `insufficient_stock`; 422 `unknown_sku`; 503 if a peer is silent |
//! | `GET /orders?customer_id=&limit=&cursor=` | a page of orders, the newest first |
//! | `GET /orders/{id}` | the order |
//! | `POST /orders/{id}/cancel` `{version}` | the cancelled order; 409 `version_conflict` |
//!
//! **A failed order holds no stock:** what is reserved is either an approved order's, or is given
//! back as soon as inventory answers.

mod http;
mod idempotency;
mod placement;
mod domain;
mod peers;
mod catalog;
mod inventory;
mod store;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chassis::{Client, Running, Service, Settings};
use jiff::SignedDuration;
use tokio::sync::Notify;

use crate::catalog::Catalog;
use crate::inventory::Inventory;
use crate::peers::Peer;
use crate::placement::Orders;
use crate::store::Store;

/// The service's name in the registry, its logs and its database file.
const NAME: &str = "order";

/// The command line of the order service.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What every service takes.
    #[command(flatten)]
    pub service: Settings,

    /// Base URL of inventory; without it, inventory is found through the registry.
    #[arg(long, value_name = "URL")]
    pub inventory_url: Option<String>,

    /// Base URL of the catalogue; without it, the catalogue is found through the registry.
    #[arg(long, value_name = "URL")]
    pub catalog_url: Option<String>,

    /// Milliseconds between two rounds of clearing up.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(10..=3_600_000))]
    pub sweep_every_ms: u64,

    /// Seconds after which an order that is still pending is given up and its stock released; must
    /// be longer than any request takes.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub pending_timeout_s: u32,
}

/// Opens the database (creating and seeding it the first time) and starts to serve.
///
/// Readiness is the database's alone: without inventory, orders can still be read and cancelled.
///
/// # Errors
/// Neither a peer's URL nor a registry is given, the database cannot be opened or migrated, or the
/// address cannot be bound.
pub async fn start(options: Options) -> anyhow::Result<Running> {
    let settings = &options.service;
    let client = Client::new()?;
    let catalog = Peer::new("catalog", options.catalog_url.as_deref(), settings)?;
    let inventory = Peer::new("inventory", options.inventory_url.as_deref(), settings)?;
    tokio::fs::create_dir_all(&settings.data_dir)
        .await
        .with_context(|| format!("cannot create {}", settings.data_dir.display()))?;
    let store = Store::open(&settings.database_url(NAME))
        .await
        .context("order database")?;
    let probe = store.clone();
    let orders = Arc::new(Orders {
        store,
        catalog: Catalog::new(client.clone(), catalog),
        inventory: Inventory::new(client, inventory),
        pending_timeout: SignedDuration::from_secs(options.pending_timeout_s.into()),
        release_due: Arc::new(Notify::new()),
    });
    sweep::start(&orders, Duration::from_millis(options.sweep_every_ms));
    Service::new(NAME, http::routes(orders))
        .ready_when("database", move || {
            let probe = probe.clone();
            Box::pin(async move { probe.ping().await.map_err(|error| error.to_string()) })
        })
        .start(settings)
        .await
}
