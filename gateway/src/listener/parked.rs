//! Speaks HTTP/1.1 on a stream, and holds almost nothing while the client asks nothing.
//!
//! hyper keeps its read and write buffers, 8 KiB each, for as long as a connection lives. A connection
//! that is idle for [`H1_PARK_AFTER`](crate::defaults::H1_PARK_AFTER) is *parked*: hyper's part of it is
//! dropped, its stream and service are kept, and another one is made when something comes in. The client
//! sees nothing of it.
//!
//! hyper's state may be dropped only where it is that of a new connection. [`Activity`] knows: the last
//! answer was written to its end, the last request's body was read to its end, and nothing of a next
//! request has come. Should a part of one have come in the same packet as the last request, hyper hands
//! it back, and it is read again.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::defaults::{H1_SEND_BUFFER_BYTES, HEADER_BYTES_MAX};
#[cfg(doc)]
use crate::listener::activity::Activity;
use crate::listener::activity::Occupied;
use crate::listener::drive::{BadEnd, CLOSE_TIMEOUT, Drive};
use crate::listener::watched::{ClientStream, Watched};
use crate::telemetry::ConnectionGuard;

/// Speaks HTTP/1.1 until either side has had enough.
pub(super) async fn serve<S, T, B>(
    mut stream: Watched<S>,
    mut service: T,
    drive: &mut Drive<'_, '_>,
    open: &ConnectionGuard,
) -> Result<(), BadEnd>
where
    S: AsyncRead + AsyncWrite + ClientStream + Unpin + Send + 'static,
    T: HttpService<Incoming, ResBody = Answer<B>, Error = Infallible>,
    B: Body + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    loop {
        let connection = http1::Builder::new()
            .max_header_size(HEADER_BYTES_MAX as usize)
            .max_buf_size(H1_SEND_BUFFER_BYTES)
            // Ours, in `activity`: one timer a connection instead of one a request.
            .header_read_timeout(None)
            .half_close(false)
            .serve_connection(TokioIo::new(stream), service)
            // A WebSocket takes the connection over.
            .with_upgrades();
        let Some(at_rest) = drive.run(Box::pin(connection)).await? else {
            return Ok(());
        };
        let Some(parts) = Pin::into_inner(at_rest).into_parts() else {
            return Ok(());
        };
        stream = parts.io.into_inner();
        service = parts.service;
        if !parts.read_buf.is_empty() {
            stream.put_back(parts.read_buf);
            continue;
        }
        // An empty rest, of a buffer of 8 KiB.
        drop(parts.read_buf);
        let parked = open.parked();
        let readable = drive.wait(&stream).await;
        drop(parked);
        if !readable {
            // Nobody is there to hear of a failure.
            let _ = timeout(CLOSE_TIMEOUT, stream.shutdown()).await;
            return Ok(());
        }
    }
}

/// An answer's body that lasts until hyper has all of it.
pub(super) struct Answer<B> {
    body: B,
    _occupied: Occupied,
}

/// Makes an answer one that keeps its connection from being parked.
pub(super) fn occupying<B>(answer: Response<B>, occupied: Occupied) -> Response<Answer<B>> {
    answer.map(|body| Answer {
        body,
        _occupied: occupied,
    })
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use futures_util::stream::{self, StreamExt as _};
    use http::Request;
    use http_body_util::{Full, StreamBody};
    use hyper::service::service_fn;
    use route_table::table::ListenerTimeouts;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinHandle;
    use tokio::time::{Instant, sleep};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::defaults::{DRAIN_IDLE_TIMEOUT, H1_PARK_AFTER};
    use crate::listener::activity::Activity;
    use crate::state::Clock;
    use crate::telemetry::Metrics;

    const TIMEOUTS: ListenerTimeouts = ListenerTimeouts {
        header: Duration::from_secs(1),
        idle: Duration::from_secs(60),
        body: Duration::from_secs(60),
    };

    const PATIENCE: Duration = Duration::from_secs(20);

    const ASKING: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    /// A connection and what is seen of it from inside.
    struct Served {
        client: TcpStream,
        activity: Arc<Activity>,
        metrics: Metrics,
        closing: CancellationToken,
        serving: JoinHandle<Result<(), BadEnd>>,
    }

    impl Served {
        /// Serves a client with `body` for every answer; the record of a request ends before it.
        async fn with<B>(timeouts: ListenerTimeouts, body: impl Fn() -> B + Send + 'static) -> Self
        where
            B: Body<Data = Bytes, Error = Infallible> + Unpin + Send + 'static,
        {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
            let address = listener.local_addr().expect("an address");
            let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
            let (stream, _) = accepted.expect("a connection");
            let activity = Activity::new(Clock::start(), timeouts);
            let (metrics, closing) = (Metrics::new(), CancellationToken::new());
            let open = metrics.connection_opened(&Arc::from("edge"));
            let serving = tokio::spawn({
                let (activity, closing) = (Arc::clone(&activity), closing.clone());
                async move {
                    let service = service_fn({
                        let activity = Arc::clone(&activity);
                        move |_: Request<Incoming>| {
                            let occupied = activity.occupied();
                            drop(activity.answering());
                            let answer = occupying(Response::new(body()), occupied);
                            async { Ok::<_, Infallible>(answer) }
                        }
                    });
                    let closed = std::pin::pin!(closing.cancelled());
                    let look = std::pin::pin!(sleep(Duration::ZERO));
                    let mut drive = Drive::new(&activity, closed, look);
                    let stream = Watched::http1(stream, Arc::clone(&activity));
                    serve(stream, service, &mut drive, &open).await
                }
            });
            Self {
                client: client.expect("a listener"),
                activity,
                metrics,
                closing,
                serving,
            }
        }

        async fn new(timeouts: ListenerTimeouts) -> Self {
            Self::with(timeouts, || Full::new(Bytes::from_static(b"answer"))).await
        }

        async fn until(&self, what: &str, seen: impl Fn(&Self) -> bool) {
            let began = Instant::now();
            while !seen(self) {
                assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
                sleep(Duration::from_millis(10)).await;
            }
        }

        fn is_parked(&self) -> bool {
            let line = "gateway_connections_parked{listener=\"edge\"} 1";
            self.metrics.encode().contains(line)
        }

        async fn parked(&self) {
            self.until("it to be parked", Self::is_parked).await;
        }

        async fn send(&mut self, bytes: &[u8]) {
            self.client.write_all(bytes).await.expect("room");
        }

        /// Reads so many answers, and nothing else.
        async fn answers(&mut self, count: usize) {
            let mut text = String::new();
            while text.matches("\r\n\r\nanswer").count() < count {
                let mut piece = [0; 4096];
                let reading = timeout(PATIENCE, self.client.read(&mut piece));
                let read = reading.await.expect("an answer in time").expect("bytes");
                assert!(read > 0, "closed after {text:?}");
                text.push_str(&String::from_utf8_lossy(
                    piece.get(..read).unwrap_or_default(),
                ));
            }
            assert_eq!(text.matches("HTTP/1.1 200 OK").count(), count, "{text}");
        }

        async fn ends(mut self) -> Result<(), BadEnd> {
            let mut rest = Vec::new();
            let reading = timeout(PATIENCE, self.client.read_to_end(&mut rest)).await;
            reading.expect("the end in time").expect("an orderly end");
            assert_eq!(rest, b"");
            self.serving.await.expect("no panic")
        }
    }

    #[tokio::test]
    async fn a_parked_connection_answers_again_and_is_parked_again() {
        let mut served = Served::new(TIMEOUTS).await;
        served.parked().await;
        for _ in 0..2 {
            served.send(ASKING).await;
            served.answers(1).await;
            served.parked().await;
        }
    }

    #[tokio::test]
    async fn pipelined_requests_that_end_a_rest_are_all_answered() {
        let mut served = Served::new(TIMEOUTS).await;
        served.parked().await;
        served.send(&ASKING.repeat(40)).await;
        served.answers(40).await;
    }

    #[tokio::test]
    async fn half_a_head_that_came_with_the_last_request_is_not_lost() {
        let timeouts = ListenerTimeouts {
            header: PATIENCE,
            ..TIMEOUTS
        };
        let mut served = Served::new(timeouts).await;
        let (first, rest) = ASKING.split_at(7);
        served.send(&[ASKING, first].concat()).await;
        served.answers(1).await;
        let idle = |served: &Served| served.activity.parks_in().is_some();
        served.until("the end of the answer", idle).await;
        served
            .until("the beginning of the head", |s| !idle(s))
            .await;
        assert!(!served.is_parked());
        served.send(rest).await;
        served.answers(1).await;
    }

    #[tokio::test]
    async fn half_a_head_on_a_parked_connection_must_end_in_time() {
        let mut served = Served::new(TIMEOUTS).await;
        served.parked().await;
        let began = Instant::now();
        served.send(b"GET / HT").await;
        let end = served.ends().await;
        assert!(matches!(end, Err(BadEnd::SlowHead)), "{end:?}");
        assert!(began.elapsed() >= TIMEOUTS.header);
    }

    #[tokio::test]
    async fn an_answer_that_pauses_is_not_cut_off() {
        let (go_on, receiver) = tokio::sync::watch::channel(());
        let mut served = Served::with(TIMEOUTS, move || {
            let mut receiver = receiver.clone();
            let rest = async move {
                let _ = receiver.changed().await;
                Bytes::from_static(b"wer")
            };
            let beginning = stream::iter([Bytes::from_static(b"ans")]);
            let pieces = beginning.chain(stream::once(rest));
            StreamBody::new(Box::pin(pieces.map(|piece| Ok(Frame::data(piece)))))
        })
        .await;
        served.send(ASKING).await;
        sleep(2 * H1_PARK_AFTER).await;
        assert!(!served.is_parked());
        go_on.send_replace(());
        let mut text = Vec::new();
        while !text.ends_with(b"0\r\n\r\n") {
            let reading = timeout(PATIENCE, served.client.read_buf(&mut text));
            assert!(reading.await.expect("in time").expect("bytes") > 0);
        }
        served.parked().await;
    }

    #[tokio::test]
    async fn a_parked_connection_is_closed_when_it_was_idle_for_too_long() {
        let idle = 2 * H1_PARK_AFTER;
        let served = Served::new(ListenerTimeouts { idle, ..TIMEOUTS }).await;
        let began = Instant::now();
        served.parked().await;
        served.ends().await.expect("an orderly end");
        let took = began.elapsed();
        assert!(
            took + Duration::from_millis(100) >= idle && took < idle + PATIENCE,
            "{took:?}"
        );
    }

    #[tokio::test]
    async fn a_parked_connection_that_is_wanted_no_more_has_a_moment_left() {
        let mut served = Served::new(TIMEOUTS).await;
        served.parked().await;
        served.closing.cancel();
        served.until("the news", |s| s.activity.is_leaving()).await;
        assert!(served.is_parked());
        served.send(ASKING).await;
        served.answers(1).await;
        let began = Instant::now();
        served.ends().await.expect("an orderly end");
        assert!(began.elapsed() < DRAIN_IDLE_TIMEOUT + PATIENCE);
    }

    #[tokio::test]
    async fn a_client_that_leaves_ends_its_parked_connection() {
        let mut served = Served::new(TIMEOUTS).await;
        served.parked().await;
        served.client.shutdown().await.expect("an open stream");
        served.ends().await.expect("an orderly end");
    }
}
