//! HTTP/2 towards an endpoint: many requests of a worker on one connection.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Uri, Version};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::balance::{Endpoint, Instant};
use crate::defaults::{
    HEADER_BYTES_MAX, UPSTREAM_H2_CLOSE_TIMEOUT, UPSTREAM_H2_CONNECTION_WINDOW_BYTES,
    UPSTREAM_H2_OVERTAKEN_MAX, UPSTREAM_H2_PING, UPSTREAM_H2_PING_TIMEOUT,
    UPSTREAM_H2_SEND_BUFFER_BYTES, UPSTREAM_H2_STREAM_WINDOW_BYTES, UPSTREAM_H2_UNANSWERED_MAX,
};
use crate::edge::{RequestBody, websocket};
use crate::state::Clock;
use crate::upstream::attempt::AttemptError;
use crate::upstream::connect::{ConnectError, describe};
use crate::upstream::connection::{Connection, Lifetime, Need, Sent};
use crate::upstream::fault::Fault;
use crate::upstream::interim::{Frames, Greeting, Watched};
use crate::upstream::transport::Transport;

/// An open HTTP/2 connection. It closes when its last stream has ended after the pool has let it go.
#[derive(Debug)]
pub(super) struct Http2 {
    sender: SendRequest<RequestBody>,
    /// Requests under way.
    streams: AtomicU32,
    /// What the peer bears at once, kept up to date by the connection's task.
    streams_max: Arc<AtomicUsize>,
    /// The peer offers extended `CONNECT` (RFC 8441, section 3), kept up to date likewise.
    carries_websockets: Arc<AtomicBool>,
    /// Requests sent so far.
    served: AtomicU32,
    /// Whether any was answered: the connection works.
    proven: AtomicBool,
    /// Requests in a row that were given up without an answer.
    unanswered: AtomicU32,
    /// Requests that were answered before they had been sent whole: some peers neither read nor refuse
    /// the rest, and their streams stay open.
    overtaken: AtomicU32,
    /// When the last stream ended.
    idle_since: AtomicU64,
    /// Takes no more requests.
    retired: AtomicBool,
    lifetime: Lifetime,
    clock: Clock,
    tasks: Tasks,
}

/// Runs what a connection does beside our requests, until it is cancelled.
#[derive(Debug, Clone, Default)]
struct Tasks(CancellationToken);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let cancelled = self.0.clone();
        tokio::spawn(async move { cancelled.run_until_cancelled(task).await });
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        // Every answer has been read. What is left are requests that the peer does not take, which would
        // keep the connection for as long as the peer likes.
        let tasks = self.tasks.clone();
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                tokio::time::sleep(UPSTREAM_H2_CLOSE_TIMEOUT).await;
                tasks.0.cancel();
            });
        }
    }
}

impl Http2 {
    /// Starts HTTP/2 and waits for the peer's SETTINGS: until then nobody knows whether it speaks
    /// HTTP/2 at all, and how many requests it bears. The connection's tasks run on the calling
    /// worker.
    pub(super) async fn start(
        transport: Transport,
        lifetime: Lifetime,
        clock: Clock,
    ) -> Result<Arc<Self>, ConnectError> {
        let (greeting, tasks) = (Arc::new(Greeting::default()), Tasks::default());
        let watched = Watched::new(transport, Frames::new(Arc::clone(&greeting)));
        let (sender, mut connection) = http2::Builder::new(tasks.clone())
            .timer(TokioTimer::new())
            .initial_stream_window_size(UPSTREAM_H2_STREAM_WINDOW_BYTES)
            .initial_connection_window_size(UPSTREAM_H2_CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(UPSTREAM_H2_SEND_BUFFER_BYTES)
            .max_header_list_size(HEADER_BYTES_MAX * 4)
            .keep_alive_interval(UPSTREAM_H2_PING)
            .keep_alive_timeout(UPSTREAM_H2_PING_TIMEOUT)
            .handshake(TokioIo::new(watched))
            .await?;
        tokio::select! {
            () = greeting.heard() => {}
            ended = &mut connection => {
                // hyper keeps to itself what the socket said.
                let failure = greeting.failure().unwrap_or_else(|| match ended {
                    Err(error) => io::Error::other(describe(&error)),
                    Ok(()) => io::ErrorKind::UnexpectedEof.into(),
                });
                return Err(ConnectError::Greeting(failure));
            }
        }
        let streams_max = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
        let offers = connection.is_extended_connect_protocol_enabled();
        let carries_websockets = Arc::new(AtomicBool::new(offers));
        let (known_max, known_offer) = (Arc::clone(&streams_max), Arc::clone(&carries_websockets));
        tokio::spawn(async move {
            let run = poll_fn(|cx| {
                let polled = Pin::new(&mut connection).poll(cx);
                known_max.store(connection.current_max_send_streams(), Ordering::Relaxed);
                let offers = connection.is_extended_connect_protocol_enabled();
                known_offer.store(offers, Ordering::Relaxed);
                polled
            });
            if let Err(error) = run.await {
                tracing::debug!(%error, "upstream connection ended");
            }
        });
        Ok(Arc::new(Self {
            sender,
            streams: AtomicU32::new(0),
            streams_max,
            carries_websockets,
            served: AtomicU32::new(0),
            proven: AtomicBool::new(false),
            unanswered: AtomicU32::new(0),
            overtaken: AtomicU32::new(0),
            tasks,
            idle_since: AtomicU64::new(clock.now().0),
            retired: AtomicBool::new(false),
            lifetime,
            clock,
        }))
    }

    /// Takes a place for one request; `None` when there is none at the moment.
    pub(super) fn begin(self: &Arc<Self>, now: Instant) -> Option<Stream> {
        let under_way = self.streams.load(Ordering::Relaxed);
        // A peer that bears none at all is asked nevertheless: the request waits, it opens no
        // connection after the other.
        let most = self.streams_max.load(Ordering::Relaxed).max(1);
        if !self.is_open(now) || under_way as usize >= most {
            return None;
        }
        self.streams.fetch_add(1, Ordering::Relaxed);
        self.served.fetch_add(1, Ordering::Relaxed);
        Some(Stream {
            connection: Arc::clone(self),
            answered: false,
        })
    }

    /// Whether such a request can be sent on it at all.
    pub(super) fn can(&self, need: Need) -> bool {
        need != Need::WebSocket || self.carries_websockets.load(Ordering::Relaxed)
    }

    /// Whether it takes requests, now or when others have ended.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        let served = self.served.load(Ordering::Relaxed);
        !self.retired.load(Ordering::Relaxed)
            && !self.sender.is_closed()
            && !self.lifetime.is_over(now, served)
    }

    /// Whether nobody has needed it for longer than connections are kept.
    pub(super) fn is_idle_too_long(&self, now: Instant) -> bool {
        let since = Instant(self.idle_since.load(Ordering::Relaxed));
        self.streams.load(Ordering::Relaxed) == 0 && now.since(since) >= self.lifetime.idle_timeout
    }

    fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }
}

/// One request's place on a connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Stream {
    connection: Arc<Http2>,
    answered: bool,
}

impl Stream {
    /// The answer has come to its end, and its request has not; or nobody takes the rest of a tunnel.
    pub(super) fn overtaken(&self) {
        let overtaken = self.connection.overtaken.fetch_add(1, Ordering::Relaxed) + 1;
        if overtaken >= UPSTREAM_H2_OVERTAKEN_MAX {
            self.connection.retire();
        }
    }

    pub(super) async fn exchange(
        mut self,
        endpoint: &Endpoint,
        mut request: Box<Request<RequestBody>>,
    ) -> Sent {
        // hyper gives no request back once it has begun; one without a body can be made again.
        let mut spare = copy_without_body(&request);
        let asks_websocket = Need::of(&request) == Need::WebSocket;
        to_http2(&mut request, endpoint);
        if asks_websocket {
            websocket::connect(&mut request);
        }
        let mut sender = self.connection.sender.clone();
        let mut failed = match sender.try_send_request(*request).await {
            Ok(response) => {
                self.answered = true;
                self.connection.proven.store(true, Ordering::Relaxed);
                self.connection.unanswered.store(0, Ordering::Relaxed);
                return Sent::Answered(response, Connection::Http2(self));
            }
            Err(failed) => failed,
        };
        let unsent = match failed.take_message() {
            // What it was made of is at hand.
            Some(_) if asks_websocket => spare.take(),
            Some(mut request) => {
                to_http1(&mut request);
                Some(request)
            }
            None => None,
        };
        let error = failed.into_error();
        let fault = Fault::of(&error);
        let closed = unsent.is_some() || going_away(&error);
        if closed {
            self.connection.retire();
        }
        let Some(request) = unsent.or(spare.filter(|_| fault == Fault::Refused)) else {
            return Sent::Failed(AttemptError::Broken { error, fault });
        };
        // A connection that worked and goes away is ordinary. One that refuses a request, or never
        // worked, is a failure of its endpoint.
        if closed && self.connection.proven.load(Ordering::Relaxed) {
            return Sent::Stale(Box::new(request));
        }
        Sent::Failed(AttemptError::NotSent {
            request: Box::new(request),
            error: if closed {
                ConnectError::Http(error)
            } else {
                ConnectError::StreamRefused(error)
            },
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection
            .idle_since
            .store(connection.clock.now().0, Ordering::Relaxed);
        connection.streams.fetch_sub(1, Ordering::Relaxed);
        if !self.answered {
            // Perhaps nobody is there any more: the system finds that out after minutes, if at all.
            let unanswered = connection.unanswered.fetch_add(1, Ordering::Relaxed) + 1;
            if unanswered >= UPSTREAM_H2_UNANSWERED_MAX {
                connection.retire();
            }
        }
    }
}

/// Whether the peer closes the connection, as opposed to one stream.
fn going_away(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error);
    source
        .and_then(|cause| cause.downcast_ref::<h2::Error>())
        .is_some_and(h2::Error::is_go_away)
}

fn copy_without_body(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    http_body::Body::is_end_stream(request.body()).then(|| {
        let mut copy = Request::new(RequestBody::empty());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.headers_mut() = request.headers().clone();
        copy
    })
}

/// Moves the host into the target: `:authority` takes the place of `Host` (RFC 9113, section 8.3.1).
fn to_http2(request: &mut Request<RequestBody>, endpoint: &Endpoint) {
    let host = request.headers_mut().remove(HOST);
    let authority = host
        .and_then(|host| Authority::try_from(host.as_bytes()).ok())
        .or_else(|| Authority::try_from(&*endpoint.authority).ok());
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(match endpoint.key.tls {
        true => Scheme::HTTPS,
        false => Scheme::HTTP,
    });
    parts.authority = authority.or(Some(Authority::from_static("localhost")));
    parts
        .path_and_query
        .get_or_insert_with(|| PathAndQuery::from_static("/"));
    // Complete parts always make a URI.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    *request.version_mut() = Version::HTTP_2;
}

/// The way back, for a request that goes to another endpoint after all.
fn to_http1(request: &mut Request<RequestBody>) {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = None;
    let host = parts.authority.take();
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    if let Some(Ok(host)) = host.map(|host| HeaderValue::from_str(host.as_str())) {
        request.headers_mut().insert(HOST, host);
    }
    *request.version_mut() = Version::HTTP_11;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::EndpointKey;

    fn request(host: Option<&str>, target: &str) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::empty());
        *request.uri_mut() = target.parse().expect("a target");
        if let Some(host) = host {
            let host = HeaderValue::from_str(host).expect("a host");
            request.headers_mut().insert(HOST, host);
        }
        request
    }

    #[test]
    fn the_host_becomes_the_authority_and_comes_back() {
        let endpoint = Endpoint::new(1, EndpointKey::http("10.0.0.7", 7001), Instant(1));
        let mut request = request(Some("shop.test:8443"), "/orders?page=2");
        to_http2(&mut request, &endpoint);
        assert_eq!(
            request.uri().to_string(),
            "http://shop.test:8443/orders?page=2"
        );
        assert!(!request.headers().contains_key(HOST));
        to_http1(&mut request);
        assert_eq!(request.uri().to_string(), "/orders?page=2");
        assert_eq!(request.headers()[HOST], "shop.test:8443");
        assert_eq!(request.version(), Version::HTTP_11);
    }

    #[test]
    fn without_a_host_the_endpoint_is_the_authority() {
        let endpoint = Endpoint::new(1, EndpointKey::http("::1", 7001), Instant(1));
        let mut request = request(None, "*");
        to_http2(&mut request, &endpoint);
        assert_eq!(
            request.uri().authority().map(Authority::as_str),
            Some("[::1]:7001")
        );
        assert_eq!(request.uri().path(), "*");
    }
}
