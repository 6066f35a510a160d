//! The operators' listener: health, metrics and what the gateway is doing. Loopback by default.

mod state_pages;
mod upstreams;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::state::{GatewayState, Phase};

/// What Prometheus asks for first.
const METRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves the admin API on one socket for ever.
pub(crate) async fn serve(socket: TcpListener, gateway: Arc<GatewayState>) {
    if let Err(error) = axum::serve(socket, routes(gateway)).await {
        tracing::error!(%error, "admin listener ended");
    }
}

/// Binds the admin listener.
///
/// # Errors
/// The address that can't be had, in words for a person.
pub(crate) async fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, String> {
    let mut sockets = Vec::new();
    for addr in addresses {
        let socket = TcpListener::bind(addr).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => format!(
                "admin listener: {addr} is in use by another process; stop it, or change `admin`"
            ),
            _ => format!("admin listener: cannot listen on {addr}: {error}"),
        })?;
        sockets.push(socket);
    }
    Ok(sockets)
}

fn routes(gateway: Arc<GatewayState>) -> Router {
    Router::new()
        .route("/", get(state_pages::index))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/migrations", get(state_pages::migrations))
        .route("/upstreams", get(upstreams::upstreams))
        .fallback(|| async {
            problem::Problem::not_found("the admin listener has no such page; see /")
        })
        .with_state(gateway)
}

/// Whether this process wants new traffic: false while it starts and as soon as it is leaving.
async fn readyz(State(gateway): State<Arc<GatewayState>>) -> Response {
    match *gateway.phase.borrow() {
        Phase::Serving => "ready\n".into_response(),
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response(),
        Phase::Leaving | Phase::Draining => {
            (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response()
        }
    }
}

async fn metrics(State(gateway): State<Arc<GatewayState>>) -> Response {
    upstreams::refresh_gauges(&gateway);
    (
        [(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)],
        gateway.metrics.encode(),
    )
        .into_response()
}
