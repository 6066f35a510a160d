//! Several requests on a connection, and connections that end early or begin as something else.

use super::case::{Bench, abandoned, abandoned_body, clean, passed, passed_all};

const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn requests_on_one_connection_stay_apart() {
    let next = || clean("GET /next");
    let with = |first: &str| format!("{first}{NEXT}");
    let post = "POST / HTTP/1.1\r\nHost: a\r\n";
    let cases = [
        passed_all(
            "two",
            with("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            [clean("GET /"), next()],
        ),
        passed_all(
            "one after a body",
            with(&format!("{post}Content-Length: 3\r\n\r\nabc")),
            [clean("POST /").body("abc"), next()],
        ),
        passed_all(
            "one inside a body is none",
            format!("{post}Content-Length: {}\r\n\r\n{NEXT}", NEXT.len()),
            [clean("POST /").body(NEXT)],
        ),
        passed_all(
            "one after chunks",
            with(&format!(
                "{post}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            )),
            [clean("POST /").chunked("3\r\nabc\r\n0\r\n\r\n"), next()],
        ),
        passed_all(
            "an empty line between them",
            with("GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n"),
            [clean("GET /"), next()],
        ),
        passed(
            "more than the length",
            format!("{post}Content-Length: 3\r\n\r\nabcdef\r\n\r\n"),
            clean("POST /").body("abc"),
        )
        .answered(&[200, 400]),
        passed(
            "nothing after Connection: close",
            with("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
            clean("GET /"),
        ),
        passed(
            "nothing after close, whatever else is said",
            with(
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n",
            ),
            clean("GET /"),
        ),
        passed(
            "nothing after HTTP/1.0",
            with("GET / HTTP/1.0\r\nHost: a\r\n\r\n"),
            clean("GET /"),
        ),
        abandoned("an end in the request line", "GET / HT"),
        abandoned("an end in the fields", "GET / HTTP/1.1\r\nHost: a\r\n"),
        abandoned_body(
            "an end in the body",
            format!("{post}Content-Length: 30\r\n\r\nabc"),
        ),
    ];
    Bench::start().await.run(&cases).await;
}

#[tokio::test]
async fn http_2_is_not_spoken_where_http_1_1_was_agreed() {
    let bench = Bench::start().await;
    let mut raw = bench.gateway.raw_tls(b"http/1.1").await;
    raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await;
    let said = raw.read_to_end().await;
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 400 "),
        "{said:?}"
    );
    assert_eq!(bench.seen().await, []);
}

#[tokio::test]
async fn http_1_1_is_not_spoken_where_http_2_was_agreed() {
    let bench = Bench::start().await;
    let mut raw = bench.gateway.raw_tls(b"h2").await;
    raw.send(NEXT.as_bytes()).await;
    let said = raw.read_to_end().await;
    assert!(!said.contains("HTTP/1.1"), "{said:?}");
    assert_eq!(bench.seen().await, []);
}

#[tokio::test]
async fn half_a_preface_is_an_error() {
    let bench = Bench::start().await;
    for preface in [
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        "PRI / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut raw = bench.gateway.raw().await;
        raw.send(preface.as_bytes()).await;
        let said = raw.read_to_end().await;
        assert!(!said.contains("HTTP/1.1 200"), "{preface:?}: {said:?}");
        assert_eq!(bench.seen().await, []);
    }
}
