//! Requests that are wrong, too large, or have two readings.

use std::time::{Duration, Instant};

use tests::upstream::Fake;
use tests::{Gateway, Raw, ReplyExt as _};

use crate::GATEWAY;

const LIMIT_BYTES: usize = 1024;

async fn start(upstream: &Fake) -> Gateway {
    let rest = format!(
        r#"upstreams:
  only: {{ endpoints: ["{}"] }}
routes:
  - {{ match: {{ prefix: / }}, to: {{ upstream: only }}, body_limit: 1KiB }}
"#,
        upstream.url()
    );
    Gateway::start(GATEWAY, &rest).await
}

/// Sends bytes on a connection of its own and returns the status of the first answer.
async fn status_of(gateway: &Gateway, bytes: &[u8]) -> String {
    let mut raw: Raw = gateway.raw().await;
    raw.send(bytes).await;
    let line = raw.status_line().await;
    line.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn malformed_requests_are_the_clients_fault() {
    let upstream = Fake::echo("only").await;
    let mut gateway = start(&upstream).await;
    for (what, request) in [
        ("no Host", "GET / HTTP/1.1\r\n\r\n"),
        ("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        ("an invalid Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
        ("no HTTP at all", "hello there\r\n\r\n"),
        (
            "a space before the colon",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        ),
        (
            "a folded header",
            "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
        ),
        (
            "a chunk size that is none",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
        ),
        (
            "chunked twice",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "an unknown coding",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "two lengths",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        ),
        (
            "a length that is none",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
        ),
    ] {
        assert_eq!(
            status_of(&gateway, request.as_bytes()).await,
            "400",
            "{what}"
        );
    }
    assert_eq!(upstream.requests(), 0, "nothing of it was passed on");
    gateway.get("/").await.expect(200);
    gateway.assert_sound();
}

#[tokio::test]
async fn paths_with_two_readings_are_refused_and_others_have_one_form() {
    let upstream = Fake::echo("only").await;
    let mut gateway = start(&upstream).await;
    for path in [
        "/a%2fb",
        "/a%5cb",
        "/a%00b",
        "/%zz",
        "/..",
        "/a/../../b",
        "/..;/a",
        "/%c0%ae",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(
            status_of(&gateway, request.as_bytes()).await,
            "400",
            "{path}"
        );
    }
    assert_eq!(upstream.requests(), 0, "nothing of it was passed on");
    for (sent, canonical) in [
        ("/a/./b", "/a/b"),
        ("/a/x/../b", "/a/b"),
        ("/%61", "/a"),
        ("/a/%2e%2e/b", "/b"),
    ] {
        let mut raw = gateway.raw().await;
        let request = format!("GET {sent} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        raw.send(request.as_bytes()).await;
        let answer = raw.read_to_end().await;
        assert!(
            answer.contains(&format!("\"path\":\"{canonical}\"")),
            "{sent}: {answer}"
        );
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn the_roots_dot_passes_by_no_row() {
    let (inner, outer) = (Fake::echo("inner").await, Fake::echo("outer").await);
    let table = format!(
        r#"upstreams:
  inner: {{ endpoints: ["{}"] }}
  outer: {{ endpoints: ["{}"] }}
routes:
  - {{ match: {{ host: admin.test, prefix: / }}, to: {{ upstream: inner }} }}
  - {{ match: {{ prefix: / }}, to: {{ upstream: outer }} }}
"#,
        inner.url(),
        outer.url()
    );
    let gateway = Gateway::start(GATEWAY, &table).await;
    for host in ["admin.test", "admin.test.", "ADMIN.test.:8443"] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let mut raw = gateway.raw().await;
        raw.send(request.as_bytes()).await;
        let answer = raw.read_to_end().await;
        assert!(answer.contains("inner"), "{host}: {answer}");
        assert!(
            !answer.contains("test."),
            "the upstream saw another name: {answer}"
        );
    }
    assert_eq!(outer.requests(), 0);
    let bad = b"GET / HTTP/1.1\r\nHost: admin.test..\r\n\r\n";
    assert_eq!(status_of(&gateway, bad).await, "400");
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_announced_or_not() {
    let upstream = Fake::echo("only").await;
    let mut gateway = start(&upstream).await;
    for client in [gateway.client(), gateway.http1_client()] {
        let post = |length: usize| client.post(gateway.https("/")).body(vec![b'x'; length]);
        post(LIMIT_BYTES).reply().await.expect(200);
        post(LIMIT_BYTES + 1)
            .reply()
            .await
            .expect_problem(413, "body_too_large");
    }
    // In chunks, without a length to be seen beforehand.
    let chunk = format!("{:x}\r\n{}\r\n", LIMIT_BYTES, "x".repeat(LIMIT_BYTES));
    let request = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n"
    );
    assert_eq!(status_of(&gateway, request.as_bytes()).await, "413");
    gateway.get("/").await.expect(200);
    gateway.assert_sound();
}

#[tokio::test]
async fn headers_over_the_limit_are_431() {
    let upstream = Fake::echo("only").await;
    let mut gateway = start(&upstream).await;
    let long = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n",
        "x".repeat(40 * 1024)
    );
    assert_eq!(status_of(&gateway, long.as_bytes()).await, "431");
    let many: String = (0..150)
        .map(|number| format!("X-{number}: 1\r\n"))
        .collect();
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n");
    assert_eq!(status_of(&gateway, many.as_bytes()).await, "431");
    let request = gateway
        .client()
        .get(gateway.https("/"))
        .header("x-long", "x".repeat(40 * 1024));
    // Over HTTP/2 a stream error is as good an answer.
    assert!(
        request
            .send()
            .await
            .is_ok_and(|answer| answer.status() == 431)
            || upstream.requests() == 0
    );
    gateway.get("/").await.expect(200);
    gateway.assert_sound();
}

#[tokio::test]
async fn connect_and_trace_have_no_place_here() {
    let upstream = Fake::echo("only").await;
    let gateway = start(&upstream).await;
    for request in [
        "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
    ] {
        let status = status_of(&gateway, request.as_bytes()).await;
        assert!(status == "405" || status == "400", "{request}: {status}");
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn a_head_that_never_ends_is_given_up() {
    let upstream = Fake::echo("only").await;
    let mut gateway = start(&upstream).await;
    let started = Instant::now();
    let mut raw = gateway.raw().await;
    raw.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow").await;
    raw.read_to_end().await;
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "{:?}",
        started.elapsed()
    );
    gateway.assert_sound();
}

#[tokio::test]
async fn several_requests_on_one_connection_stay_apart() {
    let upstream = Fake::echo("only").await;
    let gateway = start(&upstream).await;
    let mut raw = gateway.raw().await;
    raw.send(
        b"POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
          GET /two HTTP/1.1\r\nHost: a\r\n\r\n\
          GET /three HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    let answers = raw.read_to_end().await;
    let positions: Vec<_> = ["/one", "/two", "/three"]
        .map(|path| answers.find(path))
        .to_vec();
    assert!(
        positions.iter().all(Option::is_some) && positions.is_sorted(),
        "{answers}"
    );
}
