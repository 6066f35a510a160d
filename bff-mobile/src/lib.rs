//! The backend for the apps: one call a screen, in the shape and size that a phone needs.
//!
//! A resource server: the gateway has verified the token and says who asks in `X-User-Id`; the token
//! itself goes on to `/api/*` through the gateway's internal listener, which verifies it again, so that
//! this process need not be trusted with more than its own screens. No cookies, no session.
//!
//! The catalogue is the exception: it is found in the registry and called directly (client-side
//! discovery), without the user's token.
//!
//! A screen is in [`screens`], what it reads of the shop's records in [`shop`], and which of its parts an
//! app wants in [`fields`].

pub mod cli;

mod screens;
mod fields;
mod shop;

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use chassis::{Running, Service, Settings};
use composition::{BaseUrl, Upstreams};
use tower_http::compression::CompressionLayer;

/// Longest time for a screen; an app's user waits no longer.
const BUDGET: Duration = Duration::from_secs(3);

/// What the process is told on its command line.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What every service is told.
    #[command(flatten)]
    pub service: Settings,
    /// The gateway's internal listener.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
    pub gateway_url: BaseUrl,
}

/// Starts serving.
///
/// # Errors
/// A busy port; a registry URL that is none.
pub async fn start(options: Options) -> anyhow::Result<Running> {
    let registry = options.service.registry.as_deref();
    let upstreams = Upstreams::new(options.gateway_url, registry)?;
    let routes = Router::new()
        .route("/mobile/home", get(screens::home))
        .route("/mobile/orders/{id}", get(screens::order))
        // Phones pay for every byte.
        .layer(CompressionLayer::new())
        .with_state(upstreams);
    Service::new("bff-mobile", routes)
        .start(&options.service)
        .await
}
