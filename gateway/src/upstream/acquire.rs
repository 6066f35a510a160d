//! Gets a request a connection: one from the pool, a stream of a shared one, or a new one.

use std::sync::Arc;

use route_table::table::UpstreamProtocol;

use crate::balance::Endpoint;
use crate::state::WorkerState;
use crate::upstream::UpstreamState;
use crate::upstream::connect::{ConnectError, Opened, connect};
use crate::upstream::connection::{Connection, Need};
use crate::upstream::pool::{Opener, Speaks};

/// Gets a connection on which a request to `endpoint` can be sent at once.
///
/// # Errors
/// [`ConnectError`]; nothing of any request has been sent.
pub(super) async fn acquire(
    worker: &Arc<WorkerState>,
    upstream: &Arc<UpstreamState>,
    endpoint: &Arc<Endpoint>,
    need: Need,
) -> Result<Connection, ConnectError> {
    let clock = worker.gateway.clock;
    loop {
        if let Some(pooled) = worker.pool.take(endpoint.id, need, clock.now()) {
            return Ok(pooled);
        }
        if is_shared(worker, upstream, endpoint, need) {
            // Rare, and large: most requests find a connection in the pool.
            Box::pin(wait_for_shared(worker, upstream, endpoint)).await?;
            continue;
        }
        match Box::pin(connect(upstream, endpoint, need, clock)).await? {
            Opened::Http1(connection) => return Ok(Connection::Http1(connection)),
            // It did not speak HTTP/2 the last time.
            Opened::Http2(connection) => worker.pool.share(endpoint, &connection),
        }
    }
}

/// Whether a new connection would serve more than one request, as far as one can know: over TLS the
/// endpoint chooses, and until it has, its first connection is waited for. What HTTP/2 an endpoint
/// speaks is learnt from a connection too: without extended `CONNECT`, a WebSocket gets one of its own.
fn is_shared(
    worker: &WorkerState,
    upstream: &UpstreamState,
    endpoint: &Endpoint,
    need: Need,
) -> bool {
    let now = worker.gateway.clock.now();
    match upstream.config.protocol {
        UpstreamProtocol::Http1 => false,
        _ if need == Need::WebSocket && worker.pool.offers_no_websocket(endpoint.id, now) => false,
        UpstreamProtocol::Http2 => true,
        UpstreamProtocol::Auto => {
            endpoint.key.tls && worker.pool.speaks(endpoint.id) != Some(Speaks::Http1)
        }
    }
}

/// Waits until a connection has been opened for everybody who waits for one.
async fn wait_for_shared(
    worker: &Arc<WorkerState>,
    upstream: &Arc<UpstreamState>,
    endpoint: &Arc<Endpoint>,
) -> Result<(), ConnectError> {
    let (mut opening, opener) = worker.pool.join(endpoint);
    if let Some(opener) = opener {
        // A task of its own: the others still want it when the first client leaves.
        let (worker, upstream) = (Arc::clone(worker), Arc::clone(upstream));
        tokio::spawn(open(worker, upstream, Arc::clone(endpoint), opener));
    }
    let told = opening.wait_for(Option::is_some).await;
    match told.as_deref() {
        Ok(Some(Ok(()))) => Ok(()),
        Ok(Some(Err(error))) => Err(ConnectError::Shared(Arc::clone(error))),
        Ok(None) | Err(_) => Err(ConnectError::GivenUp),
    }
}

async fn open(
    worker: Arc<WorkerState>,
    upstream: Arc<UpstreamState>,
    endpoint: Arc<Endpoint>,
    opener: Opener,
) {
    let clock = worker.gateway.clock;
    let opened = connect(&upstream, &endpoint, Need::Any, clock).await;
    worker.pool.opened(&endpoint, &opener, opened, clock.now());
}
