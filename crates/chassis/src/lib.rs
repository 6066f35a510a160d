//! A microservice chassis: what every service needs and none should write.
//!
//! A service brings its routes; the chassis brings the listener, health endpoints, trace context,
//! deadlines, a log line a request, registration, and an orderly end:
//!
//! ```no_run
//! # async fn run(settings: chassis::Settings) -> anyhow::Result<()> {
//! let routes = axum::Router::new().route("/hello", axum::routing::get(|| async { "hello" }));
//! chassis::Service::new("hello", routes).start(&settings).await?.until_stopped().await;
//! # Ok(()) }
//! ```
//!
//! [`Context`] is what a request carries from hop to hop, and [`Client`] passes it on.

mod settings;
mod service;
mod running;
mod listen;
mod stopping;
mod layers;
mod health;
mod context;
mod client;

pub use client::{Client, install_crypto};
pub use context::{Context, DEADLINE_HEADER};
pub use running::Running;
pub use service::{BoxFuture, Service};
pub use settings::Settings;
pub use stopping::Stopping;
