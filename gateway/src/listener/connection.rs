//! Speaks HTTP on one accepted connection.

use std::convert::Infallible;
use std::error::Error as _;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use route_table::table::ListenerKind;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use crate::defaults::{
    DRAIN_TIMEOUT, H1_SEND_BUFFER_BYTES, H2_CONNECTION_WINDOW_BYTES, H2_LOCAL_RESETS_MAX,
    H2_PENDING_RESETS_MAX, H2_PING_TIMEOUT, H2_SEND_BUFFER_BYTES, H2_STREAM_WINDOW_BYTES,
    H2_STREAMS_MAX, HEADER_BYTES_MAX,
};
use crate::edge::ConnectionInfo;
use crate::edge::layers::stack;
use crate::listener::activity::{Activity, Overdue};
use crate::listener::frames::{FrameMeter, Offence};
use crate::listener::streams::StreamExecutor;
use crate::listener::watched::{Resettable, Watched};
use crate::pipeline::Pipeline;
use crate::respond::{ResponseBody, give_up};

/// The version a connection speaks; decided once, by ALPN or by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// What a connection needs besides its bytes.
pub(super) struct Serving {
    pub(super) pipeline: Pipeline,
    pub(super) info: Arc<ConnectionInfo>,
    /// Its listener, or the whole process, wants no more of it.
    pub(super) closing: CancellationToken,
}

/// How long an idle connection may take to close: a round trip on HTTP/2.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves one connection until either side has had enough.
pub(super) async fn serve<S>(stream: S, protocol: Protocol, serving: Serving)
where
    S: AsyncRead + AsyncWrite + Resettable + Unpin + Send + 'static,
{
    let Serving {
        pipeline,
        info,
        closing,
    } = serving;
    let gateway = Arc::clone(&pipeline.worker.gateway);
    let open = gateway.metrics.connection_opened(&info.listener);
    let timeouts = info.timeouts;
    let activity = Activity::new(gateway.clock, timeouts);
    let io = match protocol {
        Protocol::Http1 => Watched::http1(stream, Arc::clone(&activity)),
        Protocol::Http2 => {
            // Our own services end requests as often as their clients do.
            let meter = FrameMeter::new(info.kind != ListenerKind::Internal);
            Watched::http2(stream, Arc::clone(&activity), meter)
        }
    };
    let stack = stack(pipeline, info, Arc::clone(&activity));
    let service = hyper::service::service_fn({
        let activity = Arc::clone(&activity);
        move |request: Request<Incoming>| {
            let activity = Arc::clone(&activity);
            let answer = stack.clone().call(request);
            answer.map(move |answer: Result<Response<ResponseBody>, Infallible>| {
                answer.map(|mut response| {
                    if protocol == Protocol::Http1 && activity.is_leaving() {
                        say_goodbye(&mut response);
                    }
                    response
                })
            })
        }
    });
    let ended = match protocol {
        Protocol::Http1 => {
            let connection = http1::Builder::new()
                .max_header_size(HEADER_BYTES_MAX as usize)
                .max_buf_size(H1_SEND_BUFFER_BYTES)
                // Ours, in `activity`: one timer a connection instead of one a request.
                .header_read_timeout(None)
                .half_close(false)
                .serve_connection(TokioIo::new(io), service)
                // A WebSocket takes the connection over.
                .with_upgrades();
            run(connection, &activity, &closing).await
        }
        Protocol::Http2 => {
            let executor = StreamExecutor {
                limit: timeouts.body,
            };
            let connection = http2::Builder::new(executor)
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
                .keep_alive_timeout(H2_PING_TIMEOUT)
                .serve_connection(TokioIo::new(io), service);
            run(connection, &activity, &closing).await
        }
    };
    drop(open);
    if let Err(end) = ended {
        gateway.metrics.count_connection_error(end.label());
        tracing::debug!(?end, "client connection ended");
    }
}

/// Tells an HTTP/1.1 client that this answer is the connection's last; hyper then closes it. HTTP/2 has
/// GOAWAY.
fn say_goodbye(response: &mut Response<ResponseBody>) {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
}

/// Why a connection ended badly.
#[derive(Debug)]
enum BadEnd {
    Http(hyper::Error),
    /// The client sent too many frames of a kind, or began with another one than SETTINGS.
    Offence(Offence),
    SlowHead,
    SlowReader,
    /// Still busy at the end of the drain.
    CutOff,
}

impl BadEnd {
    /// A bounded label for metrics.
    fn label(&self) -> &'static str {
        match self {
            Self::Http(error) => kind_of(error),
            Self::Offence(offence) => offence.label(),
            Self::SlowHead => "header_timeout",
            Self::SlowReader => "slow_reader",
            Self::CutOff => "drain_timeout",
        }
    }
}

/// The two kinds of connection, as far as their end is concerned.
trait Closable: Future<Output = hyper::Result<()>> {
    /// Asks for the end: what is being answered is finished.
    fn close(self: Pin<&mut Self>);

    /// Announces the end, so that no request meets a closed connection.
    fn announce_end(self: Pin<&mut Self>);
}

impl<I, S, B> Closable for http1::UpgradeableConnection<I, S>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }

    fn announce_end(self: Pin<&mut Self>) {
        // hyper would close an idle connection at once and so meet a request that is on its way. The next
        // answer says it instead; see `say_goodbye`.
    }
}

impl<I, S, B> Closable for http2::Connection<I, S, StreamExecutor>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }

    fn announce_end(self: Pin<&mut Self>) {
        // GOAWAY for no stream yet, and the real one a round trip later (RFC 9113, section 6.8).
        self.graceful_shutdown();
    }
}

/// Drives a connection, closes it when it waits too long, and lets it finish when it is wanted no more.
async fn run<C: Closable>(
    connection: C,
    activity: &Activity,
    closing: &CancellationToken,
) -> Result<(), BadEnd> {
    // Dropped by hand when its answers are given up.
    let mut connection = std::pin::pin!(Some(connection));
    let mut closed = std::pin::pin!(closing.cancelled());
    let mut look = std::pin::pin!(sleep(activity.check().unwrap_or_default()));
    let mut cut: Option<Instant> = None;
    let mut asked: Option<Instant> = None;
    loop {
        let Some(mut running) = connection.as_mut().as_pin_mut() else {
            return Ok(());
        };
        tokio::select! {
            biased;
            ended = running.as_mut() => return ended.map_err(|error| match activity.offence() {
                Some(offence) => BadEnd::Offence(offence),
                None => BadEnd::Http(error),
            }),
            () = closed.as_mut(), if !activity.is_leaving() => {
                activity.leave();
                running.announce_end();
                cut = Some(Instant::now() + DRAIN_TIMEOUT);
                look.as_mut().reset(Instant::now());
            }
            () = look.as_mut() => {
                if cut.is_some_and(|cut| cut <= Instant::now()) {
                    return Err(BadEnd::CutOff);
                }
                let later = match activity.check() {
                    Ok(later) => later,
                    Err(Overdue::SlowHead) => return Err(BadEnd::SlowHead),
                    Err(Overdue::SlowReader) => {
                        activity.give_up();
                        give_up(|| connection.set(None));
                        return Err(BadEnd::SlowReader);
                    }
                    // It was asked to end, had the time for it, and does nothing: nobody is there.
                    Err(Overdue::Idle) if asked.is_some_and(|at| at.elapsed() >= CLOSE_TIMEOUT) => {
                        return Ok(());
                    }
                    Err(Overdue::Idle) => {
                        running.close();
                        asked.get_or_insert_with(Instant::now);
                        // What came in meanwhile is answered.
                        cut.get_or_insert_with(|| Instant::now() + DRAIN_TIMEOUT);
                        CLOSE_TIMEOUT
                    }
                };
                let next = Instant::now() + later;
                look.as_mut().reset(cut.map_or(next, |cut| cut.min(next)));
            }
        }
    }
}

/// A bounded label for metrics.
fn kind_of(error: &hyper::Error) -> &'static str {
    let h2 = error.source().and_then(|source| source.downcast_ref());
    match h2.and_then(h2::Error::reason) {
        // One of the library's own bounds.
        Some(h2::Reason::ENHANCE_YOUR_CALM) => "h2_flood",
        Some(h2::Reason::NO_ERROR | h2::Reason::CANCEL) => "client_aborted",
        Some(_) => "malformed_request",
        None if error.is_parse_too_large() => "headers_too_large",
        None if error.is_parse() => "malformed_request",
        None if error.is_timeout() => "timeout",
        None if error.is_incomplete_message() || error.is_closed() || error.is_canceled() => {
            "client_aborted"
        }
        None => "io",
    }
}
