//! Takes connections off a listening socket.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use route_table::table::ListenerKind;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::defaults::TLS_HANDSHAKE_TIMEOUT;
use crate::edge::ConnectionInfo;
use crate::listener::connection::{Protocol, serve, sniff};
use crate::pipeline::Pipeline;
use crate::state::{Phase, draining};

/// What a listener's sockets have in common.
#[derive(Debug, Clone)]
pub(crate) struct Acceptor {
    pub(crate) listener: Arc<str>,
    pub(crate) kind: ListenerKind,
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

/// How long to wait when the process has no descriptor left for another connection.
const OUT_OF_DESCRIPTORS_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until the gateway drains, then takes what is still in the queue, so that no connection
/// that the kernel has completed is reset.
pub(crate) async fn accept_until_drained(
    socket: TcpListener,
    acceptor: Acceptor,
    pipeline: Pipeline,
) {
    let mut phase = pipeline.worker.gateway.phase.subscribe();
    loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) => take(stream, &acceptor, &pipeline),
                Err(error) => pause_after(&error).await,
            },
            () = draining(&mut phase) => break,
        }
    }
    while let Some(Ok((stream, _))) = futures_util::FutureExt::now_or_never(socket.accept()) {
        take(stream, &acceptor, &pipeline);
    }
}

async fn pause_after(error: &io::Error) {
    // A connection that was reset in the queue concerns nobody else; anything else would repeat at once.
    if error.kind() != io::ErrorKind::ConnectionAborted {
        tracing::warn!(%error, "accept failed");
        tokio::time::sleep(OUT_OF_DESCRIPTORS_PAUSE).await;
    }
}

/// Starts a connection's own task.
fn take(stream: TcpStream, acceptor: &Acceptor, pipeline: &Pipeline) {
    let Ok(peer) = stream.peer_addr() else { return };
    // An answer is written whole: waiting for more to send would only delay it.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let info = Arc::new(ConnectionInfo {
        listener: Arc::clone(&acceptor.listener),
        kind: acceptor.kind,
        peer,
        https: acceptor.tls.is_some(),
    });
    let phase = pipeline.worker.gateway.phase.subscribe();
    match acceptor.tls.clone() {
        Some(config) => {
            pipeline.worker.connections.spawn(encrypted(
                stream,
                config,
                pipeline.clone(),
                info,
                phase,
            ));
        }
        None => {
            pipeline
                .worker
                .connections
                .spawn(plain(stream, pipeline.clone(), info, phase));
        }
    }
}

async fn plain(
    stream: TcpStream,
    pipeline: Pipeline,
    info: Arc<ConnectionInfo>,
    phase: watch::Receiver<Phase>,
) {
    if let Ok(protocol) = sniff(&stream).await {
        serve(stream, protocol, pipeline, info, phase).await;
    }
}

async fn encrypted(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    pipeline: Pipeline,
    info: Arc<ConnectionInfo>,
    phase: watch::Receiver<Phase>,
) {
    let handshake = TlsAcceptor::from(config).accept(stream);
    match tokio::time::timeout(TLS_HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok(stream)) => {
            let protocol = match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => Protocol::Http2,
                _ => Protocol::Http1,
            };
            serve(stream, protocol, pipeline, info, phase).await;
        }
        Ok(Err(error)) => {
            pipeline
                .worker
                .gateway
                .metrics
                .count_connection_error("tls_handshake");
            tracing::debug!(%error, peer = %info.peer, "TLS handshake failed");
        }
        Err(_) => pipeline
            .worker
            .gateway
            .metrics
            .count_connection_error("tls_timeout"),
    }
}
