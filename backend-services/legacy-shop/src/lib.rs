//! The monolith: SOAP, old HTML pages and REST-like URIs on one database.
//!
//! It is what the gateway moves traffic away from, and it knows nothing of the gateway. Three
//! interfaces lead into one program:
//!
//! | address | answers |
//! |---|---|
//! | `POST /soap` | SOAP 1.1: customers and orders, in the monolith's own old words |
//! | `GET /soap?wsdl` | the description of that interface |
//! | `GET /old/…` | HTML pages for people |
//! | `/api/orders…`, `/api/products…` | REST-like URIs, in the shapes that the services took over |
//!
//! `domain` is pure, `store` is the one database, and each interface turns its errors into its own
//! kind of answer: a SOAP fault, a page, a problem document.
//!
//! With `--faults` a test can make it hang, slow or fail: see the `faults` module.

mod faults;
mod soap;
mod pages;
mod rest;
mod domain;
mod store;

use anyhow::Context as _;
use axum::Router;
use chassis::{Running, Service, Settings};

use crate::store::Store;

/// The service's name in the registry, its logs and its database file.
const NAME: &str = "legacy-shop";

/// The command line of the monolith.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What every service takes.
    #[command(flatten)]
    pub service: Settings,
    /// Let anyone make it hang, slow or fail by `POST /_fault`: for tests only.
    #[arg(long)]
    pub faults: bool,
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
        .context("legacy-shop database")?;
    let probe = store.clone();
    Service::new(NAME, routes(store, options.faults))
        .ready_when("database", move || {
            let probe = probe.clone();
            Box::pin(async move { probe.ping().await.map_err(|error| error.to_string()) })
        })
        .start(settings)
        .await
}

fn routes(store: Store, with_faults: bool) -> Router {
    let routes = Router::new()
        .merge(soap::routes())
        .merge(pages::routes())
        .merge(rest::routes())
        .with_state(store);
    if with_faults {
        tracing::warn!("anyone can make this process fail by POST /_fault; not for production");
        faults::switchable(routes)
    } else {
        routes
    }
}
