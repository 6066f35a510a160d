//! What a health check sends: over a connection of its own, opened just as requests open theirs.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::uri::Scheme;
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use route_table::table::EndpointAddress;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::balance::Endpoint;
use crate::state::Clock;
use crate::upstream::UpstreamState;
use crate::upstream::connect::{ConnectError, describe, dial, reach};
use crate::upstream::connection::Need;
use crate::upstream::transport::Transport;

/// Why a check got no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    #[error("{0}")]
    Connect(#[from] ConnectError),
    #[error("{}", describe(.0))]
    Http(#[from] hyper::Error),
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
}

impl From<io::Error> for ProbeError {
    fn from(error: io::Error) -> Self {
        Self::Connect(error.into())
    }
}

/// An answer while it is read. Its connection closes with it.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) response: Response<Incoming>,
    _connection: AbortOnDropHandle<()>,
}

/// One check of one endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe<'p> {
    pub(crate) upstream: &'p UpstreamState,
    pub(crate) endpoint: &'p Endpoint,
    pub(crate) clock: Clock,
}

impl Probe<'_> {
    /// Runs a check for at most `limit`.
    ///
    /// # Errors
    /// The check's own, or that time ran out.
    pub(crate) async fn within<T, E: From<ProbeError>>(
        limit: Duration,
        check: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let outcome = timeout(limit, check).await;
        outcome.unwrap_or_else(|_| Err(ProbeError::Timeout(limit).into()))
    }

    /// Makes sure that a connection is accepted.
    ///
    /// # Errors
    /// [`ProbeError::Connect`].
    pub(crate) async fn connect(self) -> Result<(), ProbeError> {
        match &self.endpoint.key.address {
            EndpointAddress::Unix(path) => drop(UnixStream::connect(&**path).await?),
            EndpointAddress::Tcp { host, port } => drop(dial(self.upstream, host, *port).await?),
        }
        Ok(())
    }

    /// Sends a request over the protocol that requests have, or over HTTP/2 where it must be that.
    ///
    /// # Errors
    /// [`ProbeError`].
    pub(crate) async fn send(
        self,
        mut request: Request<Full<Bytes>>,
        http2_only: bool,
    ) -> Result<Answered, ProbeError> {
        let need = if http2_only { Need::Http2 } else { Need::Any };
        let reached = reach(self.upstream, self.endpoint, need, self.clock).await?;
        let (socket, speaks_http2) = reached;
        let stream = TokioIo::new(Transport::uncounted(socket));
        if speaks_http2 {
            self.address_http2(&mut request);
            let builder = http2::Builder::new(TokioExecutor::new());
            let (mut sender, connection) = builder.handshake(stream).await?;
            let connection = run(connection);
            return Ok(Answered {
                response: sender.send_request(request).await?,
                _connection: connection,
            });
        }
        self.address_http1(&mut request);
        let (mut sender, connection) = http1::handshake(stream).await?;
        let connection = run(connection);
        Ok(Answered {
            response: sender.send_request(request).await?,
            _connection: connection,
        })
    }

    fn address_http1(self, request: &mut Request<Full<Bytes>>) {
        if let Ok(host) = HeaderValue::from_str(&self.endpoint.authority) {
            request.headers_mut().insert(HOST, host);
        }
    }

    fn address_http2(self, request: &mut Request<Full<Bytes>>) {
        *request.version_mut() = Version::HTTP_2;
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(if self.endpoint.key.tls {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        });
        parts.authority = self.endpoint.authority.parse().ok();
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    }
}

/// Runs a connection until whoever holds the answer lets go of it.
fn run(
    connection: impl Future<Output = Result<(), hyper::Error>> + Send + 'static,
) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        // What went wrong is heard by the one who waits for the answer.
        drop(connection.await);
    }))
}
