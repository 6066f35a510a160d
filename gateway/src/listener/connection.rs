//! Speaks HTTP on one accepted connection.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tower::Service as _;

use crate::defaults::{
    CLIENT_IDLE_TIMEOUT, H2_CONNECTION_WINDOW_BYTES, H2_RESET_STREAMS_MAX, H2_STREAM_WINDOW_BYTES,
    H2_STREAMS_MAX, HEADER_BYTES_MAX, HEADER_READ_TIMEOUT,
};
use crate::edge::ConnectionInfo;
use crate::edge::layers::{Answer, stack};
use crate::listener::activity::{Activity, Overdue, Resettable, Watched};
use crate::pipeline::Pipeline;
use crate::state::{Phase, draining};

/// The version a connection speaks; decided once, by ALPN or by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// How long a connection that is being closed may take to finish what it is doing.
const LINGER: Duration = Duration::from_secs(30);

/// Tells HTTP/2 with prior knowledge from HTTP/1.1 without taking a byte off the socket. `PRI` is no
/// method of HTTP/1.1, so three bytes decide.
pub(super) async fn sniff(stream: &TcpStream) -> std::io::Result<Protocol> {
    let mut first = [0_u8; 3];
    let peek = async {
        loop {
            let seen = stream.peek(&mut first).await?;
            let same = first
                .iter()
                .zip(b"PRI")
                .take_while(|(one, other)| one == other)
                .count();
            if seen < 3 && seen > 0 && same == seen {
                // Rare: the first bytes came alone. The socket stays readable, so wait by the clock.
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            }
            return Ok(if same == 3 {
                Protocol::Http2
            } else {
                Protocol::Http1
            });
        }
    };
    tokio::time::timeout(CLIENT_IDLE_TIMEOUT, peek)
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}

/// Serves one connection until either side has had enough.
pub(super) async fn serve<S>(
    stream: S,
    protocol: Protocol,
    pipeline: Pipeline,
    info: Arc<ConnectionInfo>,
    phase: watch::Receiver<Phase>,
) where
    S: AsyncRead + AsyncWrite + Resettable + Unpin + Send + 'static,
{
    let activity = Activity::new(pipeline.worker.gateway.clock, protocol == Protocol::Http1);
    let gateway = Arc::clone(&pipeline.worker.gateway);
    let open = gateway.metrics.connection_opened(&info.listener);
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
    let stack = stack(pipeline, info, Arc::clone(&activity));
    let service = hyper::service::service_fn(move |request: Request<Incoming>| -> Answer {
        stack.clone().call(request)
    });
    let ended = match protocol {
        Protocol::Http1 => {
            let connection = http1::Builder::new()
                .max_header_size(HEADER_BYTES_MAX as usize)
                // Ours, in `activity`: one timer a connection instead of one a request.
                .header_read_timeout(None)
                .half_close(false)
                .serve_connection(io, service)
                // A WebSocket takes the connection over.
                .with_upgrades();
            run(connection, &activity, phase).await
        }
        Protocol::Http2 => {
            let connection = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                // WebSockets over HTTP/2 (RFC 8441).
                .enable_connect_protocol()
                .max_concurrent_streams(H2_STREAMS_MAX)
                .initial_stream_window_size(H2_STREAM_WINDOW_BYTES)
                .initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES)
                .max_header_list_size(HEADER_BYTES_MAX)
                .max_pending_accept_reset_streams(H2_RESET_STREAMS_MAX)
                .keep_alive_interval(CLIENT_IDLE_TIMEOUT)
                .keep_alive_timeout(HEADER_READ_TIMEOUT)
                .serve_connection(io, service);
            run(connection, &activity, phase).await
        }
    };
    drop(open);
    if let Err(error) = ended {
        gateway.metrics.count_connection_error(kind_of(&error));
        tracing::debug!(error = %error, "client connection ended");
    }
}

/// The two kinds of connection, as far as their end is concerned.
pub(super) trait Closable: Future<Output = hyper::Result<()>> {
    fn close(self: std::pin::Pin<&mut Self>);
}

impl<I, S, B> Closable for http1::UpgradeableConnection<I, S>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn close(self: std::pin::Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, B> Closable for http2::Connection<I, S, TokioExecutor>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn close(self: std::pin::Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Drives a connection, closes it when it waits too long, and lets it finish when we drain.
async fn run<C: Closable>(
    connection: C,
    activity: &Activity,
    mut phase: watch::Receiver<Phase>,
) -> hyper::Result<()> {
    tokio::pin!(connection);
    let mut look = std::pin::pin!(tokio::time::sleep(HEADER_READ_TIMEOUT));
    loop {
        tokio::select! {
            biased;
            ended = &mut connection => return ended,
            () = draining(&mut phase) => break,
            () = &mut look => match activity.check() {
                Ok(later) => look.as_mut().reset(tokio::time::Instant::now() + later),
                Err(Overdue::Idle) => break,
                Err(Overdue::SlowHead | Overdue::SlowReader) => return Ok(()),
            },
        }
    }
    // `Connection: close` or GOAWAY; requests in flight still get their answers.
    connection.as_mut().close();
    tokio::time::timeout(LINGER, connection)
        .await
        .unwrap_or(Ok(()))
}

/// A bounded label for metrics.
fn kind_of(error: &hyper::Error) -> &'static str {
    if error.is_parse_too_large() {
        "headers_too_large"
    } else if error.is_parse() {
        "malformed_request"
    } else if error.is_timeout() {
        "timeout"
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        "client_aborted"
    } else {
        "io"
    }
}
