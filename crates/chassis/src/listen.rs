//! Accepts connections and serves HTTP/1.1 and HTTP/2 (prior knowledge) on them, within limits that
//! `axum::serve` does not have.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::stopping::Stopping;

/// Connections at a time; more of them wait in the system's queue.
const CONNECTIONS_MAX: usize = 4_096;

/// How long a request's head may take, and how long an HTTP/1.1 connection may be idle. Longer than
/// our callers keep idle connections, so that they close first.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// Requests at a time on one HTTP/2 connection.
const HTTP2_STREAMS_MAX: u32 = 250;

/// Between two signs of life asked of an HTTP/2 peer, and how long its answer may take.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(30);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause when the system has no more sockets to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stopping` begins, and then until the last connection is done. Ending the future ends
/// the connections too.
pub(crate) async fn serve(listener: TcpListener, router: Router, stopping: Stopping) {
    let builder = builder();
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            (stream, slot) = accept(&listener, &slots) => {
                let (builder, router) = (builder.clone(), router.clone());
                connections.spawn(converse(stream, slot, builder, router, stopping.clone()));
            }
            // Takes the finished ones off the set.
            Some(_) = connections.join_next() => {}
            () = stopping.begun() => break,
        }
    }
    // Nobody may queue for a socket that is not going to be asked.
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Serves one connection to its end, or to the end of the requests in flight when the service stops.
async fn converse(
    stream: TcpStream,
    _slot: OwnedSemaphorePermit,
    builder: Builder<TokioExecutor>,
    router: Router,
    stopping: Stopping,
) {
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stopping.begun() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        // Peers that hang up are everyday life.
        tracing::debug!(error, "connection ended early");
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .keep_alive_interval(HTTP2_PING_INTERVAL)
        .keep_alive_timeout(HTTP2_PING_TIMEOUT);
    builder
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, OwnedSemaphorePermit) {
    let slot = Arc::clone(slots).acquire_owned().await;
    let slot = slot.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are written whole: waiting for more to send only delays them.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "no TCP_NODELAY");
                }
                return (stream, slot);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "connections are not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Errors that say something about the connection, not about the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
