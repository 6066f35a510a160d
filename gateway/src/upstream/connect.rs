//! Opens a connection to an endpoint: finds its address, connects, encrypts, and starts HTTP on it.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use route_table::table::{EndpointAddress, UpstreamProtocol};
use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::balance::Endpoint;
use crate::defaults::{UPSTREAM_TCP_KEEPALIVE_IDLE, UPSTREAM_TCP_KEEPALIVE_INTERVAL};
use crate::state::Clock;
use crate::upstream::UpstreamState;
use crate::upstream::connection::{Lifetime, Need};
use crate::upstream::happy_eyeballs;
use crate::upstream::http1::Http1;
use crate::upstream::http2::Http2;
use crate::upstream::open_connections::OpenConnection;
use crate::upstream::tls::{ClientTls, H2};
use crate::upstream::transport::{Socket, Tls, Transport};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("as many connections are open as the circuit allows")]
    CircuitOpen,
    #[error("connect failed: {0}")]
    Io(#[from] io::Error),
    #[error("connect took longer than {} ms", .0.as_millis())]
    Timeout(Duration),
    #[error("`{name}` has no address: {reason}")]
    Name { name: Arc<str>, reason: Arc<str> },
    #[error("TLS failed: {0}")]
    Tls(#[source] io::Error),
    #[error("TLS is not configured: see the log from when the table was applied")]
    NoTls,
    #[error("the endpoint speaks no HTTP/2")]
    NotHttp2,
    #[error("the endpoint's first word is missing: {0}")]
    Greeting(#[source] io::Error),
    #[error("HTTP failed: {}", describe(.0))]
    Http(#[from] hyper::Error),
    /// Several requests waited for one connection.
    #[error("{0}")]
    Shared(Arc<ConnectError>),
    #[error("the connection that was waited for was given up")]
    GivenUp,
    /// The connection is there, and serves others.
    #[error("the endpoint refused the request: {}", describe(.0))]
    StreamRefused(#[source] hyper::Error),
}

impl ConnectError {
    /// Whether it is we who open no more.
    pub(super) fn is_circuit_open(&self) -> bool {
        match self {
            Self::CircuitOpen => true,
            Self::Shared(error) => error.is_circuit_open(),
            _ => false,
        }
    }

    /// Whether the endpoint took the connection and refused this request alone.
    pub(super) fn is_stream_refused(&self) -> bool {
        matches!(self, Self::StreamRefused(_))
    }

    /// Whether table and endpoint do not fit together: it will not pass by itself.
    fn is_a_mismatch(&self) -> bool {
        matches!(
            self,
            Self::Tls(_) | Self::NoTls | Self::NotHttp2 | Self::Greeting(_)
        )
    }
}

/// hyper's errors keep their cause to themselves.
pub(super) fn describe(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// A connection that nobody has used yet.
#[derive(Debug)]
pub(super) enum Opened {
    Http1(Http1),
    Http2(Arc<Http2>),
}

/// Connects within the upstream's limit, TLS and the first word of HTTP/2 included.
///
/// # Errors
/// [`ConnectError`]; nothing of any request has been sent.
pub(super) async fn connect(
    upstream: &UpstreamState,
    endpoint: &Endpoint,
    need: Need,
    clock: Clock,
) -> Result<Opened, ConnectError> {
    let limit = upstream.config.connections.connect_timeout;
    let circuit = upstream.config.circuit;
    let place = upstream.open_connections.open(circuit, limit).await;
    let place = place.ok_or(ConnectError::CircuitOpen)?;
    let opened = timeout(limit, open(upstream, endpoint, need, clock, place))
        .await
        .unwrap_or(Err(ConnectError::Timeout(limit)));
    if let Err(error) = &opened
        && error.is_a_mismatch()
    {
        upstream.complaints.about(endpoint, clock).make(error);
    }
    opened
}

async fn open(
    upstream: &UpstreamState,
    endpoint: &Endpoint,
    need: Need,
    clock: Clock,
    place: OpenConnection,
) -> Result<Opened, ConnectError> {
    let (socket, http2) = reach(upstream, endpoint, need, clock).await?;
    let transport = Transport::new(socket, place);
    let lifetime = Lifetime::starting(clock.now(), &upstream.config.connections);
    Ok(if http2 {
        Opened::Http2(Http2::start(transport, lifetime, clock).await?)
    } else {
        Opened::Http1(Http1::start(transport, lifetime).await?)
    })
}

/// Connects to an endpoint and encrypts where it speaks TLS. Returns the stream, and whether HTTP/2 is
/// spoken on it. The caller sets the time limit.
///
/// # Errors
/// [`ConnectError`].
pub(super) async fn reach(
    upstream: &UpstreamState,
    endpoint: &Endpoint,
    need: Need,
    clock: Clock,
) -> Result<(Socket, bool), ConnectError> {
    let protocol = match need {
        // HTTP/2 is not offered, or not with WebSocket: see `acquire`.
        Need::WebSocket => UpstreamProtocol::Http1,
        Need::Any => upstream.config.protocol,
        Need::Http2 => UpstreamProtocol::Http2,
    };
    let (socket, http2) = match &endpoint.key.address {
        EndpointAddress::Unix(path) => {
            let stream = UnixStream::connect(&**path).await?;
            (Socket::Unix(stream), protocol == UpstreamProtocol::Http2)
        }
        EndpointAddress::Tcp { host, port } => {
            let stream = dial(upstream, host, *port).await?;
            prepare(&stream)?;
            if endpoint.key.tls {
                let stream = encrypt(upstream, host, need, stream).await?;
                let http2 = stream.get_ref().1.alpn_protocol() == Some(H2);
                let complaint = upstream.complaints.about(endpoint, clock);
                (Socket::Tls(Box::new(Tls { stream, complaint })), http2)
            } else {
                (Socket::Tcp(stream), protocol == UpstreamProtocol::Http2)
            }
        }
    };
    // HTTP/2 over TLS exists only where both sides have said so (RFC 9113, section 3.2).
    if protocol == UpstreamProtocol::Http2 && !http2 {
        return Err(ConnectError::NotHttp2);
    }
    Ok((socket, http2))
}

/// Connects to an address, or to one of a name's.
pub(super) async fn dial(
    upstream: &UpstreamState,
    host: &Arc<str>,
    port: u16,
) -> Result<TcpStream, ConnectError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(TcpStream::connect((address, port)).await?);
    }
    let addresses = upstream.names.addresses(host).await;
    let addresses = addresses.map_err(|reason| ConnectError::Name {
        name: Arc::clone(host),
        reason,
    })?;
    let turn = fastrand::usize(..);
    Ok(happy_eyeballs::connect(&addresses, port, turn).await?)
}

/// Sets what every connection needs.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    // A request is written whole: waiting for more to send would only delay it.
    stream.set_nodelay(true)?;
    // A stream on which nobody speaks for hours is no fault, a machine that is gone is one.
    let keepalive = TcpKeepalive::new()
        .with_time(UPSTREAM_TCP_KEEPALIVE_IDLE)
        .with_interval(UPSTREAM_TCP_KEEPALIVE_INTERVAL);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

async fn encrypt(
    upstream: &UpstreamState,
    host: &str,
    need: Need,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let tls = upstream.tls.load_full().ok_or(ConnectError::NoTls)?;
    let ClientTls {
        config,
        http1_only,
        server_name,
    } = &*tls;
    let config = match need {
        Need::Any | Need::Http2 => config,
        Need::WebSocket => http1_only,
    };
    let name = match server_name {
        Some(name) => name.clone(),
        None => ServerName::try_from(host.to_owned())
            .map_err(|error| ConnectError::Tls(io::Error::other(error)))?,
    };
    TlsConnector::from(Arc::clone(config))
        .connect(name, stream)
        .await
        .map_err(ConnectError::Tls)
}
