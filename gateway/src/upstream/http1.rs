//! HTTP/1.1 towards an endpoint: one request at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName, Request, StatusCode};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

use crate::balance::Instant;
use crate::defaults::{HEADER_BYTES_MAX, UPSTREAM_H1_BUFFER_BYTES, UPSTREAM_READY_TIMEOUT};
use crate::edge::RequestBody;
use crate::edge::hop_by_hop::lists;
use crate::upstream::attempt::AttemptError;
use crate::upstream::connect::ConnectError;
use crate::upstream::connection::{Connection, Lifetime, Sent};
use crate::upstream::early_answer::ReadFirst;
use crate::upstream::fault::Fault;
use crate::upstream::interim::{StatusLines, Watched};
use crate::upstream::transport::Transport;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// An open HTTP/1.1 connection. Dropped, it is closed.
#[derive(Debug)]
pub(crate) struct Http1 {
    sender: SendRequest<RequestBody>,
    /// Requests sent so far. Written here alone; what watches the socket tells answers apart by it.
    exchanges: Arc<AtomicU32>,
    lifetime: Lifetime,
    /// How long the peer says that it waits for the next request, less a second.
    peer_idle: Option<Duration>,
    /// The answer was the last: the peer closes, or what follows is no HTTP any more.
    last: bool,
    _task: AbortOnDrop,
}

/// Ends the connection's task with its owner. Left alone it would go on sending a request that has been
/// answered early, for as long as the peer does not read it.
#[derive(Debug)]
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Http1 {
    /// Starts HTTP/1.1. The connection's own task runs on the calling worker.
    pub(super) async fn start(
        transport: Transport,
        lifetime: Lifetime,
    ) -> Result<Self, ConnectError> {
        let exchanges = Arc::new(AtomicU32::new(0));
        let stream = ReadFirst::new(transport);
        let watched = Watched::new(stream, StatusLines::new(Arc::clone(&exchanges)));
        let (sender, connection) = http1::Builder::new()
            .max_header_size(HEADER_BYTES_MAX as usize * 4)
            .max_buf_size(UPSTREAM_H1_BUFFER_BYTES)
            .handshake(TokioIo::new(watched))
            .await?;
        // After a 101 the stream is whoever's asks the answer for it.
        let connection = connection.with_upgrades();
        let task = tokio::spawn(async move {
            // Its end is seen by whoever holds the sender; an error here belongs to no request.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "upstream connection ended");
            }
        });
        Ok(Self {
            sender,
            exchanges,
            lifetime,
            peer_idle: None,
            last: false,
            _task: AbortOnDrop(task.abort_handle()),
        })
    }

    pub(super) async fn exchange(mut self, request: Box<Request<RequestBody>>) -> Sent {
        let before = self.exchanges.load(Ordering::Relaxed);
        let fresh = before == 0;
        if !self.is_ready(fresh).await {
            return Sent::Stale(request);
        }
        self.exchanges
            .store(before.wrapping_add(1), Ordering::Relaxed);
        match self.sender.try_send_request(*request).await {
            Ok(response) => {
                self.last = response.status() == StatusCode::SWITCHING_PROTOCOLS
                    || lists(response.headers(), CONNECTION, "close");
                self.peer_idle = peer_idle(response.headers());
                Sent::Answered(response, Connection::Http1(self))
            }
            Err(mut error) => match error.take_message() {
                // Closed before a byte went out. On a pooled connection that is ordinary: next one.
                Some(unsent) if !fresh => Sent::Stale(Box::new(unsent)),
                Some(unsent) => Sent::Failed(AttemptError::NotSent {
                    request: Box::new(unsent),
                    error: ConnectError::Http(error.into_error()),
                }),
                None => {
                    let error = error.into_error();
                    let fault = Fault::of(&error);
                    Sent::Failed(AttemptError::Broken { error, fault })
                }
            },
        }
    }

    /// Whether a request may be sent. A pooled connection may have been closed by the peer, or still be
    /// sending the end of a request that was answered early, perhaps to a peer that takes no more.
    async fn is_ready(&mut self, fresh: bool) -> bool {
        if fresh {
            // What went wrong is told by the attempt.
            let _ = self.sender.ready().await;
            return true;
        }
        if self.sender.is_ready() {
            return true;
        }
        let ready = tokio::time::timeout(UPSTREAM_READY_TIMEOUT, self.sender.ready());
        matches!(ready.await, Ok(Ok(())))
    }

    /// Until when it may wait for its next request; `None` when it takes no more.
    pub(super) fn idle_until(&self, now: Instant) -> Option<Instant> {
        let served = self.exchanges.load(Ordering::Relaxed);
        if self.last || self.sender.is_closed() || self.lifetime.is_over(now, served) {
            return None;
        }
        let own = self.lifetime.idle_timeout;
        let idle = self.peer_idle.map_or(own, |peer| peer.min(own));
        Some(now.after(idle)).filter(|until| *until > now)
    }

    /// Whether a request may still be sent on it after a while in the pool.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        let served = self.exchanges.load(Ordering::Relaxed);
        !self.sender.is_closed() && !self.lifetime.is_over(now, served)
    }
}

/// `Keep-Alive: timeout=5` (RFC 2068, section 19.7.1.1), less the second in which both sides might
/// move at once.
fn peer_idle(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(KEEP_ALIVE)?.to_str().ok()?;
    let seconds = value.split(',').find_map(|parameter| {
        let (name, seconds) = parameter.split_once('=')?;
        let is_timeout = name.trim().eq_ignore_ascii_case("timeout");
        is_timeout.then(|| seconds.trim().parse::<u64>().ok())?
    })?;
    Some(Duration::from_secs(seconds.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use http::Response;
    use hyper::body::Incoming;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::upstream::open_connections::OpenConnections;
    use crate::upstream::transport::Socket;

    /// Sends one request to a server that answers with `answer` and then echoes one read.
    async fn exchange(answer: &'static [u8]) -> (Response<Incoming>, Http1) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut bytes = [0; 1024];
            let _head = stream.read(&mut bytes).await.expect("a request");
            stream.write_all(answer).await.expect("writable");
            let count = stream.read(&mut bytes).await.expect("readable");
            stream.write_all(&bytes[..count]).await.expect("writable");
        });
        let stream = TcpStream::connect(address).await.expect("a listener");
        let circuit = route_table::table::Circuit {
            connections: 1,
            pending: 1,
            requests: 1,
        };
        let connections = OpenConnections::default();
        let open = connections.open(circuit, Duration::from_secs(1)).await;
        let open = open.expect("a place");
        let transport = Transport::new(Socket::Tcp(stream), open);
        let config = route_table::table::Connections {
            connect_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(4),
            requests_max: None,
            age_max: None,
        };
        let lifetime = Lifetime::starting(Instant(1), &config);
        let connection = Http1::start(transport, lifetime).await.expect("HTTP");
        let request = Box::new(Request::new(RequestBody::empty()));
        match connection.exchange(request).await {
            Sent::Answered(response, Connection::Http1(connection)) => (response, connection),
            other => panic!("no answer: {other:?}"),
        }
    }

    #[tokio::test]
    async fn a_connection_that_has_left_http_is_the_answers_and_never_pooled() {
        let answer =
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
        let (response, connection) = exchange(answer).await;
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(connection.idle_until(Instant(1)), None);
        let upgraded = hyper::upgrade::on(response).await.expect("an upgrade");
        let mut stream = TokioIo::new(upgraded);
        stream.write_all(b"hello").await.expect("writable");
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).await.expect("an echo");
        assert_eq!(&heard, b"hello");
    }

    #[tokio::test]
    async fn a_connection_that_may_stay_open_is_pooled_as_long_as_both_sides_say() {
        let answer = b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=3\r\ncontent-length: 0\r\n\r\n";
        let (_, connection) = exchange(answer).await;
        let until = Instant(1).after(Duration::from_secs(2));
        assert_eq!(connection.idle_until(Instant(1)), Some(until));
    }

    #[tokio::test]
    async fn a_connection_that_the_peer_closes_is_not_pooled() {
        let answer = b"HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 0\r\n\r\n";
        let (_, connection) = exchange(answer).await;
        assert_eq!(connection.idle_until(Instant(1)), None);
    }

    #[track_caller]
    fn idle(value: &'static str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(KEEP_ALIVE, http::HeaderValue::from_static(value));
        peer_idle(&headers).map(|idle| idle.as_secs())
    }

    #[test]
    fn the_peers_patience_is_believed_less_a_second() {
        assert_eq!(idle("timeout=5"), Some(4));
        assert_eq!(idle("max=100, Timeout = 2"), Some(1));
        assert_eq!(idle("timeout=0"), Some(0));
    }

    #[test]
    fn what_says_nothing_of_time_is_passed_over() {
        for value in ["max=100", "timeout", "timeout=soon", ""] {
            assert_eq!(idle(value), None, "{value}");
        }
    }
}
