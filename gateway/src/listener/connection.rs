//! Speaks HTTP on one accepted connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use route_table::table::{ListenerKind, ListenerTimeouts};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use crate::defaults::{
    H2_CONNECTION_WINDOW_BYTES, H2_LOCAL_RESETS_MAX, H2_PENDING_RESETS_MAX, H2_PING_TIMEOUT,
    H2_SEND_BUFFER_BYTES, H2_STREAM_WINDOW_BYTES, H2_STREAMS_MAX, HEADER_BYTES_MAX,
};
use crate::edge::ConnectionInfo;
use crate::edge::layers::{Stack, stack};
use crate::listener::activity::Activity;
use crate::listener::drive::Drive;
use crate::listener::frames::FrameMeter;
use crate::listener::parked::{self, Answer, occupying};
use crate::listener::streams::StreamExecutor;
use crate::listener::watched::{ClientStream, Watched};
use crate::pipeline::Pipeline;
use crate::respond::ResponseBody;
use crate::telemetry::ConnectionGuard;

/// The version a connection speaks; decided once, by ALPN or by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// What a connection needs besides its bytes.
pub(super) struct Serving {
    pub(super) pipeline: Pipeline,
    /// Counts the connection.
    pub(super) open: ConnectionGuard,
    pub(super) info: Arc<ConnectionInfo>,
    /// Its listener, or the whole process, wants no more of it.
    pub(super) closing: CancellationToken,
}

/// Serves one connection until either side has had enough.
pub(super) async fn serve<S>(stream: S, protocol: Protocol, serving: Serving)
where
    S: AsyncRead + AsyncWrite + ClientStream + Unpin + Send + 'static,
{
    let Serving {
        pipeline,
        open,
        info,
        closing,
    } = serving;
    let gateway = Arc::clone(&pipeline.worker.gateway);
    let (timeouts, kind) = (info.timeouts, info.kind);
    let activity = Activity::new(gateway.clock, timeouts);
    let stack = stack(pipeline, info, Arc::clone(&activity));
    let closed = std::pin::pin!(closing.cancelled());
    let look = std::pin::pin!(sleep(Duration::ZERO));
    let mut drive = Drive::new(&activity, closed, look);
    let ended = match protocol {
        Protocol::Http1 => {
            let stream = Watched::http1(stream, Arc::clone(&activity));
            let service = http1_service(stack, Arc::clone(&activity));
            parked::serve(stream, service, &mut drive, &open).await
        }
        Protocol::Http2 => {
            // Our own services end requests as often as their clients do.
            let meter = FrameMeter::new(kind != ListenerKind::Internal);
            let stream = Watched::http2(stream, Arc::clone(&activity), meter);
            let service = service_fn(move |request| stack.clone().call(request));
            let connection =
                http2_builder(timeouts).serve_connection(TokioIo::new(stream), service);
            drive.run(Box::pin(connection)).await.map(drop)
        }
    };
    drop(open);
    if let Err(end) = ended {
        gateway.metrics.count_connection_error(end.label());
        tracing::debug!(?end, "client connection ended");
    }
}

/// What answers an HTTP/1.1 connection's requests.
fn http1_service(
    stack: Stack,
    activity: Arc<Activity>,
) -> impl Service<
    Request<Incoming>,
    Response = Response<Answer<ResponseBody>>,
    Error = Infallible,
    Future: Send,
> + Send {
    service_fn(move |request| {
        let occupied = activity.occupied();
        let answer = stack.clone().call(request);
        answer.map(move |answer| {
            answer.map(|mut response| {
                if occupied.activity().is_leaving() {
                    say_goodbye(&mut response);
                }
                occupying(response, occupied)
            })
        })
    })
}

fn http2_builder(timeouts: ListenerTimeouts) -> http2::Builder<StreamExecutor> {
    let executor = StreamExecutor {
        limit: timeouts.body,
    };
    let mut builder = http2::Builder::new(executor);
    builder
        .timer(TokioTimer::new())
        // WebSockets over HTTP/2 (RFC 8441).
        .enable_connect_protocol()
        .max_concurrent_streams(H2_STREAMS_MAX)
        .initial_stream_window_size(H2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES)
        .max_header_list_size(HEADER_BYTES_MAX)
        .max_send_buf_size(H2_SEND_BUFFER_BYTES)
        .max_pending_accept_reset_streams(H2_PENDING_RESETS_MAX)
        .max_local_error_reset_streams(H2_LOCAL_RESETS_MAX)
        .keep_alive_interval(timeouts.idle)
        .keep_alive_timeout(H2_PING_TIMEOUT);
    builder
}

/// Tells an HTTP/1.1 client that this answer is the connection's last; hyper then closes it. HTTP/2 has
/// GOAWAY.
fn say_goodbye(response: &mut Response<ResponseBody>) {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
}
