//! The operators' listener: health, metrics and what the gateway is doing. Loopback by default.

mod cache;
mod explain;
mod state_pages;
mod upstreams;

use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::lifecycle::{Inherited, Label};
use crate::state::{GatewayState, Phase};

/// What Prometheus asks for first.
const METRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves the admin API on one socket until it is told to close.
pub(crate) async fn serve(
    socket: TcpListener,
    gateway: Arc<GatewayState>,
    closing: CancellationToken,
) {
    let served = axum::serve(socket, routes(gateway));
    if let Err(error) = served
        .with_graceful_shutdown(closing.cancelled_owned())
        .await
    {
        tracing::error!(%error, "admin listener ended");
    }
}

/// Opens the admin listener's sockets, with what a successor is told of each.
///
/// # Errors
/// The address that can't be had, in words for a person.
pub(crate) fn bind(
    addresses: &[SocketAddr],
    inherited: &mut Inherited,
) -> Result<Vec<(Label, StdTcpListener)>, String> {
    let open = |&bind: &SocketAddr| {
        let socket = match inherited.take_admin(bind) {
            Some(socket) => socket,
            None => StdTcpListener::bind(bind).map_err(|error| refused(bind, &error))?,
        };
        let prepared = socket.set_nonblocking(true);
        prepared.map_err(|error| refused(bind, &error))?;
        Ok((Label::Admin { bind }, socket))
    };
    addresses.iter().map(open).collect()
}

fn refused(addr: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "admin listener: {addr} is in use by another process; stop it, or change `admin`"
        ),
        _ => format!("admin listener: cannot listen on {addr}: {error}"),
    }
}

fn routes(gateway: Arc<GatewayState>) -> Router {
    Router::new()
        .route("/", get(state_pages::index))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/jwks", get(state_pages::jwks))
        .route("/migrations", get(state_pages::migrations))
        .route("/upstreams", get(upstreams::upstreams))
        .route("/cache", get(cache::usage))
        .route("/cache/purge", post(cache::purge))
        .route("/explain", post(explain::explain))
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
    gateway.metrics.set_cache(gateway.cache.usage());
    (
        [(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)],
        gateway.metrics.encode(),
    )
        .into_response()
}
