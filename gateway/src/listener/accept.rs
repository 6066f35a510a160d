//! Takes connections off a listening socket.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::TryFutureExt as _;
use route_table::table::{ListenerKind, ListenerTimeouts};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::defaults::{DRAIN_IDLE_TIMEOUT, PROXY_HEADER_TIMEOUT, TLS_HANDSHAKE_TIMEOUT};
use crate::edge::ConnectionInfo;
use crate::edge::forwarded::address_value;
use crate::listener::client_certificate::ClientCertificate;
use crate::listener::connection::{Protocol, Serving, serve};
use crate::listener::proxy_protocol::{ProxyHeaderError, read_header};
use crate::listener::sniff::sniff;
use crate::pipeline::Pipeline;
use crate::state::serving;
use crate::telemetry::ConnectionGuard;

/// How connections of a listener are treated: those that come from now on, when it is replaced.
#[derive(Debug, Clone)]
pub(crate) struct Acceptor {
    pub(crate) listener: Arc<str>,
    pub(crate) kind: ListenerKind,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) proxy_protocol: bool,
    pub(crate) timeouts: ListenerTimeouts,
}

/// How long to wait when the process has no descriptor left for another connection.
const OUT_OF_DESCRIPTORS_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until the listener is closed, then takes what is still in the queue, so that no connection
/// that the kernel has completed is reset.
pub(crate) async fn accept_until_closed(
    socket: TcpListener,
    acceptor: Arc<ArcSwap<Acceptor>>,
    closing: CancellationToken,
    pipeline: Pipeline,
) {
    // Connections wait in the queue until there is somebody to send them to.
    let mut phase = pipeline.worker.gateway.phase.subscribe();
    tokio::select! {
        () = serving(&mut phase) => {}
        () = closing.cancelled() => {}
    }
    let take = |stream, peer| {
        let acceptor = acceptor.load_full();
        let metrics = &pipeline.worker.gateway.metrics;
        let accepted = Accepted {
            stream,
            peer,
            open: metrics.connection_opened(&acceptor.listener),
            acceptor,
            closing: closing.clone(),
            pipeline: pipeline.clone(),
        };
        accepted.start();
    };
    loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((stream, peer)) => take(stream, peer),
                Err(error) => pause_after(&error).await,
            },
            () = closing.cancelled() => break,
        }
    }
    while let Some(Ok((stream, peer))) = futures_util::FutureExt::now_or_never(socket.accept()) {
        take(stream, peer);
    }
}

async fn pause_after(error: &io::Error) {
    // A connection that was reset in the queue concerns nobody else; anything else would repeat at once.
    if error.kind() != io::ErrorKind::ConnectionAborted {
        tracing::warn!(%error, "accept failed");
        tokio::time::sleep(OUT_OF_DESCRIPTORS_PAUSE).await;
    }
}

/// A connection of which nothing has been read.
struct Accepted {
    stream: TcpStream,
    peer: SocketAddr,
    open: ConnectionGuard,
    acceptor: Arc<Acceptor>,
    closing: CancellationToken,
    pipeline: Pipeline,
}

impl Accepted {
    /// Starts the connection's own task. Two kinds: one without TLS is not to take the memory of one
    /// with it.
    fn start(self) {
        let connections = self.pipeline.worker.connections.clone();
        match self.acceptor.tls.clone() {
            Some(config) => drop(connections.spawn(self.encrypted(config))),
            None => drop(connections.spawn(self.plain())),
        }
    }

    async fn plain(mut self) {
        let Some(info) = self.introduced().await else {
            return;
        };
        let timeouts = info.timeouts;
        // It holds a task and a socket, no more.
        let parked = self.open.parked();
        let sniffed = tokio::select! {
            sniffed = sniff(&self.stream, timeouts.idle, timeouts.header) => sniffed,
            () = closed_for_a_while(&self.closing) => return,
        };
        drop(parked);
        match sniffed {
            Ok(None) => {}
            Ok(Some(protocol)) => {
                let (stream, serving) = self.into_serving(info);
                serve(stream, protocol, serving).await;
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => self.count("header_timeout"),
            Err(_) => {}
        }
    }

    async fn encrypted(mut self, config: Arc<ServerConfig>) {
        let Some(info) = self.introduced().await else {
            return;
        };
        let (stream, mut serving) = self.into_serving(info);
        // Boxed, as is the stream that comes of it: a task is as large as the largest it ever waits for.
        let handshake = TlsAcceptor::from(config).accept(stream);
        let handshake = Box::pin(handshake.map_ok(Box::new));
        let metrics = &serving.pipeline.worker.gateway.metrics;
        let shaken = tokio::select! {
            shaken = timeout(TLS_HANDSHAKE_TIMEOUT, handshake) => shaken,
            () = closed_for_a_while(&serving.closing) => return,
        };
        match shaken {
            Ok(Ok(stream)) => {
                let tls = stream.get_ref().1;
                let protocol = match tls.alpn_protocol() {
                    Some(b"h2") => Protocol::Http2,
                    _ => Protocol::Http1,
                };
                let certificate = tls.peer_certificates().and_then(<[_]>::first);
                let certificate = certificate.and_then(ClientCertificate::read);
                if let Some(info) = Arc::get_mut(&mut serving.info) {
                    info.client_certificate = certificate.map(Arc::new);
                }
                serve(stream, protocol, serving).await;
            }
            Ok(Err(error)) => {
                metrics.count_connection_error("tls_handshake");
                tracing::debug!(%error, peer = %serving.info.peer, "TLS handshake failed");
            }
            Err(_) => metrics.count_connection_error("tls_timeout"),
        }
    }

    /// Finds out who the client is; `None` when the connection does not begin as it should.
    async fn introduced(&mut self) -> Option<Arc<ConnectionInfo>> {
        let acceptor = &self.acceptor;
        let mut peer = self.peer;
        if acceptor.proxy_protocol {
            let limit = PROXY_HEADER_TIMEOUT.min(acceptor.timeouts.header);
            match timeout(limit, read_header(&mut self.stream)).await {
                Ok(Ok(client)) => peer = client.unwrap_or(peer),
                Ok(Err(error)) => {
                    if let Some(kind) = kind_of(&error) {
                        self.count(kind);
                        tracing::debug!(%error, %peer, "connection refused");
                    }
                    return None;
                }
                Err(_) => {
                    self.count("proxy_header_timeout");
                    return None;
                }
            }
        }
        Some(Arc::new(ConnectionInfo {
            listener: Arc::clone(&acceptor.listener),
            kind: acceptor.kind,
            peer,
            peer_value: address_value(peer.ip().to_canonical()),
            https: acceptor.tls.is_some(),
            client_certificate: None,
            timeouts: acceptor.timeouts,
        }))
    }

    fn into_serving(self, info: Arc<ConnectionInfo>) -> (TcpStream, Serving) {
        let serving = Serving {
            pipeline: self.pipeline,
            open: self.open,
            info,
            closing: self.closing,
        };
        (self.stream, serving)
    }

    fn count(&self, kind: &'static str) {
        let gateway = &self.pipeline.worker.gateway;
        gateway.metrics.count_connection_error(kind);
    }
}

/// Completes when whoever has just connected has had time to begin, although the listener closes.
async fn closed_for_a_while(closing: &CancellationToken) {
    closing.cancelled().await;
    tokio::time::sleep(DRAIN_IDLE_TIMEOUT).await;
}

/// A bounded label for metrics; `None`: nothing went wrong.
fn kind_of(error: &ProxyHeaderError) -> Option<&'static str> {
    match error {
        ProxyHeaderError::Closed => None,
        ProxyHeaderError::Missing => Some("proxy_header_missing"),
        ProxyHeaderError::Truncated | ProxyHeaderError::Malformed(_) => {
            Some("proxy_header_malformed")
        }
        ProxyHeaderError::Io(_) => Some("io"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task_bytes<T, F>(_start: impl FnOnce(T) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_that_waits_has_a_small_task() {
        let plain = task_bytes(Accepted::plain);
        let encrypted = task_bytes(|(accepted, config)| Accepted::encrypted(accepted, config));
        assert!(plain <= 1536, "{plain} bytes");
        assert!(encrypted <= 1536, "{encrypted} bytes");
    }
}
