//! Clients that are slow, silent or ask for too much at once, over HTTP/1.1 and HTTP/2 alike.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{any, get};
use futures_util::stream;
use tests::frames::{Field, Frames, Outcome, block, flag, kind};
use tests::upstream::Fake;
use tests::{Gateway, PATIENCE, eventually, within};

use crate::h2_abuse::GET;
use crate::{GATEWAY, everything_to};

/// Short enough for a test, long enough for a busy machine to answer within it.
const LISTENERS: &str = r#"version: 1
listeners:
  - name: edge
    bind: "127.0.0.1:0"
    tls: { cert: edge.pem, key: edge.key }
  - name: plain
    bind: "127.0.0.1:0"
    timeouts: { header: 1s, idle: 2s, body: 1500ms }
admin: { bind: "127.0.0.1:0" }
"#;

const REFUSED_STREAM: u32 = 7;

/// A stream that is never opened: waiting for it is waiting for the connection's end.
const NONE: u32 = 99_999;

async fn start(upstream: &Fake) -> Gateway {
    let table = format!("{LISTENERS}{}", everything_to(&upstream.url()));
    Gateway::start_table(GATEWAY, &table, &[]).await
}

async fn errors(gateway: &Gateway, kind: &str) -> f64 {
    let label = format!("kind=\"{kind}\"");
    gateway
        .metric("gateway_connection_errors_total", &[&label])
        .await
}

#[track_caller]
fn assert_took(started: Instant, least: Duration) {
    let took = started.elapsed();
    assert!(took >= least && took < least + PATIENCE, "{took:?}");
}

/// Fields beyond those of a request, with names of their own.
fn with_fields(count: usize, length: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let own = GET
        .iter()
        .map(|(name, value)| (name.to_vec(), value.to_vec()));
    let more = (0..count).map(|n| (format!("x-{n}").into_bytes(), vec![b'v'; length]));
    own.chain(more).collect()
}

#[tokio::test]
async fn too_many_and_too_large_fields_are_431_on_http_2() {
    let upstream = Fake::echo("only").await;
    let mut gateway = start(&upstream).await;
    for (count, length, status) in [
        (90, 10, 200),
        (150, 10, 431),
        (80, 254, 200),
        (250, 200, 431),
    ] {
        let fields = with_fields(count, length);
        let fields: Vec<Field<'_>> = fields.iter().map(|(n, v)| (&n[..], &v[..])).collect();
        let block = block(&fields);
        let mut frames = Frames::over(gateway.raw().await).await;
        let mut pieces = block.chunks(16_000).peekable();
        let mut kind = kind::HEADERS;
        let mut flags = flag::END_STREAM;
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_none() {
                flags |= flag::END_HEADERS;
            }
            frames.frame(kind, flags, 1, piece).await;
            (kind, flags) = (kind::CONTINUATION, 0);
        }
        let outcome = frames.outcome(1).await;
        assert_eq!(
            outcome,
            Outcome::Answer(status),
            "{count} of {length} bytes"
        );
    }
    assert_eq!(upstream.requests(), 2);
    gateway.assert_sound();
}

#[tokio::test]
async fn a_head_that_does_not_end_closes_the_connection() {
    let upstream = Fake::echo("only").await;
    let mut gateway = start(&upstream).await;
    for (what, bytes) in [
        (
            "half a head",
            b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow".to_vec(),
        ),
        ("half a preface", b"PRI * HTTP/2.0\r\n".to_vec()),
        ("two letters", b"PR".to_vec()),
    ] {
        let before = errors(&gateway, "header_timeout").await;
        let mut raw = gateway.raw().await;
        let started = Instant::now();
        raw.send(&bytes).await;
        raw.read_to_end().await;
        assert_took(started, Duration::from_secs(1));
        eventually(what, PATIENCE, async || {
            (errors(&gateway, "header_timeout").await > before).then_some(())
        })
        .await;
    }
    let mut frames = Frames::over(gateway.raw().await).await;
    frames.headers(1, &GET, true).await;
    assert_eq!(frames.outcome(1).await, Outcome::Answer(200));
    let started = Instant::now();
    frames.frame(kind::HEADERS, 0, 3, &block(&GET)).await;
    assert_eq!(frames.outcome(3).await, Outcome::Closed);
    assert_took(started, Duration::from_secs(1));
    gateway.assert_sound();
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let upstream = Fake::echo("only").await;
    let mut gateway = start(&upstream).await;
    let started = Instant::now();
    let (mut fresh, mut used) = (gateway.raw().await, gateway.raw().await);
    used.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut h2 = Frames::over(gateway.raw().await).await;
    h2.headers(1, &GET, true).await;
    assert_eq!(h2.outcome(1).await, Outcome::Answer(200));
    assert_eq!(fresh.read_to_end().await, "");
    assert!(used.read_to_end().await.starts_with("HTTP/1.1 200"));
    assert_eq!(h2.outcome(NONE).await, Outcome::Closed);
    assert_took(started, Duration::from_secs(2));
    gateway.assert_sound();
}

#[tokio::test]
async fn a_body_that_stands_still_is_408_and_one_that_crawls_is_not() {
    let upstream = Fake::echo("only").await;
    let mut gateway = start(&upstream).await;
    let post: [Field<'_>; 4] = [(b":method", b"POST"), GET[1], GET[2], GET[3]];
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";

    let mut raw = gateway.raw().await;
    raw.send(&[&head[..], b"abc"].concat()).await;
    let answer = raw.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    let mut frames = Frames::over(gateway.raw().await).await;
    frames.headers(1, &post, false).await;
    frames.data(1, b"abc", false).await;
    assert_eq!(frames.outcome(1).await, Outcome::Answer(408));

    let mut raw = gateway.raw().await;
    let mut frames = Frames::over(gateway.raw().await).await;
    raw.send(head).await;
    frames.headers(1, &post, false).await;
    // Longer in all than the limit, and never as long at once.
    for turn in 0..5 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        raw.send(b"x").await;
        frames.data(1, b"x", turn == 4).await;
    }
    assert_eq!(raw.status_line().await, "HTTP/1.1 200 OK");
    assert_eq!(frames.outcome(1).await, Outcome::Answer(200));
    gateway.assert_sound();
}

/// Counts answers that are being sent.
#[derive(Debug, Clone, Default)]
struct Open(Arc<AtomicUsize>);

impl Open {
    fn begin(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.clone()
    }

    async fn is(&self, count: usize, what: &str) {
        eventually(what, PATIENCE, async || {
            (self.0.load(Ordering::Relaxed) == count).then_some(())
        })
        .await;
    }
}

struct Sending(Open);

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An upstream with an answer that has no end, and one that pauses longer than the limit of clients.
async fn endless(open: &Open) -> Fake {
    let endless = {
        let open = open.clone();
        async move || {
            let sending = Sending(open.begin());
            Body::from_stream(stream::unfold(sending, async |sending| {
                let chunk = Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 16 * 1024]));
                Some((chunk, sending))
            }))
        }
    };
    Fake::start(
        Router::new()
            .route("/endless", get(endless))
            .fallback(any(async || "quick")),
    )
    .await
}

async fn nothing_in_flight(gateway: &Gateway) {
    eventually("nothing to be left in flight", PATIENCE, async || {
        let left = gateway.metric("gateway_requests_in_flight", &[]).await;
        (left.abs() < 0.1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_client_that_does_not_read_frees_the_upstream() {
    let open = Open::default();
    let upstream = endless(&open).await;
    let mut gateway = start(&upstream).await;
    let mut raw = gateway.raw().await;
    raw.send(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await;
    open.is(1, "the answer to begin").await;
    open.is(0, "the upstream to be freed").await;
    assert!((errors(&gateway, "slow_reader").await - 1.0).abs() < 0.1);
    let line = gateway.access_line("/endless").await;
    assert_eq!(line["failure"], "client_stalled", "{line}");
    nothing_in_flight(&gateway).await;
    // As a client of HTTP/2, that gives all the room there can be and does not read either.
    let mut frames = Frames::over(gateway.raw().await).await;
    let most = 0x7fff_0000_u32.to_be_bytes();
    frames
        .frame(kind::SETTINGS, 0, 0, &[&[0, 4], &most[..]].concat())
        .await;
    frames.frame(kind::WINDOW_UPDATE, 0, 0, &most).await;
    let endless: [Field<'_>; 4] = [GET[0], GET[1], GET[2], (b":path", b"/endless")];
    frames.headers(1, &endless, true).await;
    open.is(1, "the answer to begin").await;
    open.is(0, "the upstream to be freed").await;
    assert!((errors(&gateway, "slow_reader").await - 2.0).abs() < 0.1);
    gateway.assert_sound();
}

#[tokio::test]
async fn a_stream_that_is_kept_shut_frees_the_upstream_and_the_others_live_on() {
    let open = Open::default();
    let upstream = endless(&open).await;
    let mut gateway = start(&upstream).await;
    let mut frames = Frames::over(gateway.raw().await).await;
    frames
        .frame(kind::WINDOW_UPDATE, 0, 0, &0x0fff_ffff_u32.to_be_bytes())
        .await;
    let endless: [Field<'_>; 4] = [GET[0], GET[1], GET[2], (b":path", b"/endless")];
    // 64 KiB of it fit the stream's window, which is never opened again.
    frames.headers(1, &endless, true).await;
    open.is(1, "the answer to begin").await;
    frames.headers(3, &GET, true).await;
    assert_eq!(frames.outcome(3).await, Outcome::Answer(200));
    let reset = frames.outcome(1).await;
    assert!(matches!(reset, Outcome::Reset(_)), "{reset:?}");
    open.is(0, "the upstream to be freed").await;
    let line = gateway.access_line("/endless").await;
    assert_eq!(line["failure"], "client_stalled", "{line}");
    frames.headers(5, &GET, true).await;
    assert_eq!(frames.outcome(5).await, Outcome::Answer(200));
    nothing_in_flight(&gateway).await;
    gateway.assert_sound();
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_all_of_it() {
    let large = async || Body::from(vec![b'x'; 3 * 1024 * 1024]);
    let upstream = Fake::start(Router::new().route("/", get(large))).await;
    let mut gateway = start(&upstream).await;
    let url = gateway.http("plain", "/");
    let h2 = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    for client in [tests::plain_client(), h2] {
        let started = Instant::now();
        let mut response = client.get(&url).send().await.unwrap();
        let mut read = 0;
        let mut paused = 0;
        while let Some(chunk) = within("more", PATIENCE, response.chunk()).await.unwrap() {
            read += chunk.len();
            if read / (256 * 1024) > paused {
                paused += 1;
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        }
        assert_eq!(read, 3 * 1024 * 1024);
        assert_took(started, Duration::from_secs(2));
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn the_hundred_and_first_stream_is_refused() {
    let hang = async || std::future::pending::<&str>().await;
    let upstream = Fake::start(Router::new().route("/", any(hang))).await;
    let mut gateway = start(&upstream).await;
    let mut frames = Frames::over(gateway.raw().await).await;
    for turn in 0..101 {
        frames.headers(turn * 2 + 1, &GET, true).await;
    }
    assert_eq!(frames.outcome(201).await, Outcome::Reset(REFUSED_STREAM));
    eventually("a hundred requests", PATIENCE, async || {
        (upstream.requests() == 100).then_some(())
    })
    .await;
    gateway.assert_sound();
}

#[tokio::test]
async fn a_client_that_leaves_before_its_answer_is_no_failure_of_ours() {
    let hang = async || std::future::pending::<&str>().await;
    let upstream = Fake::start(Router::new().route("/hang", any(hang))).await;
    let mut gateway = start(&upstream).await;
    let mut raw = gateway.raw().await;
    raw.send(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("the request at the upstream", PATIENCE, async || {
        (upstream.requests() == 1).then_some(())
    })
    .await;
    drop(raw);
    let line = gateway.access_line("/hang").await;
    assert_eq!(
        (&line["status"], &line["failure"]),
        (&499.into(), &"client_aborted".into()),
        "{line}"
    );
    gateway.assert_sound();
}
