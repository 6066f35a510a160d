//! The service registry: who runs where, and how surely.
//!
//! An instance registers with a lease and renews it; whoever calls the service watches the list.
//! A request passes through [`http`] (JSON in and out), [`limits`] (what may be registered),
//! [`state`] (one lock, the watchers, what is to be saved) and [`domain`] (leases, suspicion and
//! eviction, pure). Beside it runs [`upkeep`], which suspects, probes and evicts. [`store`] keeps
//! the directory across restarts.
//!
//! | request | answer |
//! |---|---|
//! | `PUT /v1/services/{svc}/instances/{id}` | `{lease_id, renew_every_s}`; 201 when it is new |
//! | `POST /v1/services/{svc}/instances/{id}/renew` | the lease; 404: register again; 409: another's |
//! | `PATCH /v1/services/{svc}/instances/{id}/status` | 204; `up`, `draining` or `down` |
//! | `DELETE /v1/services/{svc}/instances/{id}` | 204 |
//! | `GET /v1/services` | names with counts |
//! | `GET /v1/services/{svc}` | `{index, instances}`, those to prefer first |
//! | `GET /v1/services/{svc}?index=N&wait=30s` | the same, once it has changed since `N`, or after the wait |
//! | the same with `Accept: text/event-stream` | an event for each change |
//!
//! It favours availability: a full disk keeps nobody from registering, a lost file heals as
//! instances register again, and its clients keep the last good list while it is away.

mod http;
mod limits;
mod state;
mod watching;
mod domain;
mod upkeep;
mod probe;
mod store;
mod clock;

pub use clock::{Clock, Moment};
pub use upkeep::Timing;

use anyhow::Context as _;
use chassis::{Running, Service, Settings};

use crate::state::Registry;
use crate::store::Store;

/// The service's name in its logs and its database file.
const NAME: &str = "registry";

/// The command line of the registry.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What every service takes.
    #[command(flatten)]
    pub service: Settings,
}

/// Opens the database and starts to serve.
///
/// # Errors
/// The database cannot be opened or read, or the address cannot be bound.
pub async fn start(options: Options) -> anyhow::Result<Running> {
    start_with(options, Clock::monotonic(), Timing::default()).await
}

/// As [`start`], by a clock and at a pace of the caller's choice.
///
/// # Errors
/// As [`start`].
pub async fn start_with(options: Options, clock: Clock, timing: Timing) -> anyhow::Result<Running> {
    let settings = &options.service;
    tokio::fs::create_dir_all(&settings.data_dir)
        .await
        .with_context(|| format!("cannot create {}", settings.data_dir.display()))?;
    let store = Store::open(&settings.database_url(NAME))
        .await
        .context("registry database")?;
    let registry = Registry::open(store.clone(), clock)
        .await
        .context("registry database")?;
    let upkeep = upkeep::start(&registry, timing)?;
    Service::new(NAME, http::routes(registry, upkeep))
        .unregistered()
        .ready_when("database", move || {
            let store = store.clone();
            Box::pin(async move { store.ping().await.map_err(|error| error.to_string()) })
        })
        .start(settings)
        .await
}

#[cfg(test)]
mod tests;
