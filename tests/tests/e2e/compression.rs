//! Answers that are compressed on their way out.

use axum::Router;
use axum::body::Body;
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::routing::get;
use bytes::Bytes;
use reqwest::Response;
use tests::upstream::{Fake, Rude, event_stream};
use tests::{Decoder, Gateway, PATIENCE, within};
use tokio::sync::mpsc;

use crate::GATEWAY;

/// 20,000 bytes that are worth compressing.
fn text() -> String {
    "forty bytes that come again and again.\n\n".repeat(500)
}

fn table(url: &str, compress: &str) -> String {
    format!(
        "upstreams: {{ only: {{ endpoints: [\"{url}\"] }} }}\nroutes:\n\
         - {{ name: all, match: {{ prefix: / }}, to: {{ upstream: only }}, compress: {compress} }}\n\
         - {{ name: plain, match: {{ prefix: /plain }}, to: {{ upstream: only }} }}\n"
    )
}

/// An upstream whose answers differ in what matters.
async fn upstream() -> Fake {
    let of = |headers: &'static [(&'static str, &'static str)]| {
        get(move || async move {
            let mut response = text().into_response();
            for (name, value) in headers {
                response.headers_mut().insert(*name, value.parse().unwrap());
            }
            response
        })
    };
    let html = ("content-type", "text/html; charset=utf-8");
    let routes = Router::new()
        .route(
            "/html",
            of(&[
                ("content-type", "text/html; charset=utf-8"),
                ("etag", "\"v1\""),
                ("accept-ranges", "bytes"),
                ("content-digest", "sha-256=:x:"),
                ("vary", "Cookie"),
            ]),
        )
        .route("/plain/html", of(&[("content-type", "text/html")]))
        .route("/image", of(&[("content-type", "image/png")]))
        .route(
            "/packed",
            of(&[("content-type", "text/html"), ("content-encoding", "gzip")]),
        )
        .route(
            "/fixed",
            of(&[
                ("content-type", "text/html"),
                ("cache-control", "no-transform"),
            ]),
        )
        .route(
            "/small",
            get(async || ([(header::CONTENT_TYPE, "text/html")], "tiny")),
        )
        .route(
            "/part",
            get(async move || {
                (
                    http::StatusCode::PARTIAL_CONTENT,
                    [html, ("content-range", "bytes 0-19999/50000")],
                    text(),
                )
            }),
        )
        .route(
            "/kept",
            get(async || (http::StatusCode::NOT_MODIFIED, [("etag", "\"v1\"")])),
        );
    Fake::start(routes).await
}

async fn ask(gateway: &Gateway, path: &str, accepted: &str) -> Response {
    let request = gateway.client().get(gateway.https(path));
    request
        .header("accept-encoding", accepted)
        .send()
        .await
        .unwrap()
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

fn vary(response: &Response) -> Vec<&str> {
    let values = response.headers().get_all("vary").iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn an_answer_comes_in_the_coding_that_its_client_likes_best() {
    let upstream = upstream().await;
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url(), "true")).await;
    for (accepted, coding) in [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0.5, gzip", "gzip"),
    ] {
        for client in [gateway.client(), gateway.http1_client()] {
            let request = client.get(gateway.https("/html"));
            let response = request
                .header("accept-encoding", accepted)
                .send()
                .await
                .unwrap();
            assert_eq!(header(&response, "content-encoding"), coding);
            assert_eq!(vary(&response), ["Cookie", "Accept-Encoding"]);
            assert_eq!(header(&response, "etag"), "W/\"v1\"");
            for gone in ["content-length", "accept-ranges", "content-digest"] {
                assert_eq!(header(&response, gone), "", "{gone}");
            }
            let bytes = response.bytes().await.unwrap();
            assert!(bytes.len() < 2_000, "{coding}: {}", bytes.len());
            let mut decoder = Decoder::new(coding);
            decoder.read(&bytes);
            assert_eq!(decoder.text(), text());
        }
    }
    let answers = gateway
        .metric("gateway_compressed_answers_total", &["encoding=\"gzip\""])
        .await;
    assert!((answers - 4.0).abs() < f64::EPSILON);
    let labels = ["encoding=\"br\"", "side=\"before\""];
    let before = gateway
        .metric("gateway_compressed_bytes_total", &labels)
        .await;
    assert!((before - 40_000.0).abs() < f64::EPSILON);
    let line = gateway.access_line("/html").await;
    assert!(line["bytes_out"].as_u64().unwrap() < 2_000, "{line}");
}

#[tokio::test]
async fn what_would_not_gain_or_must_not_change_comes_as_it_is() {
    let upstream = upstream().await;
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url(), "true")).await;
    for path in [
        "/plain/html",
        "/image",
        "/packed",
        "/fixed",
        "/small",
        "/part",
    ] {
        let response = ask(&gateway, path, "gzip, br, zstd").await;
        let coding = if path == "/packed" { "gzip" } else { "" };
        assert_eq!(header(&response, "content-encoding"), coding, "{path}");
        assert!(vary(&response).is_empty(), "{path}");
        let length: usize = header(&response, "content-length").parse().unwrap();
        assert_eq!(response.bytes().await.unwrap().len(), length, "{path}");
    }
    // Who asks for nothing gets it as it is, and caches are told that others may not.
    for accepted in ["identity", "gzip;q=0", ""] {
        let response = ask(&gateway, "/html", accepted).await;
        assert_eq!(header(&response, "etag"), "\"v1\"");
        assert_eq!(vary(&response), ["Cookie", "Accept-Encoding"]);
        assert_eq!(response.text().await.unwrap(), text());
    }
}

#[tokio::test]
async fn a_row_may_say_which_codings_types_and_sizes() {
    let upstream = upstream().await;
    let rules = "{ algorithms: [gzip, br], types: [image/png], min_size: 20KiB }";
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url(), rules)).await;
    let small = ask(&gateway, "/image", "zstd, br, gzip").await;
    assert_eq!(
        header(&small, "content-encoding"),
        "",
        "20,000 bytes are not 20 KiB"
    );
    drop(gateway);
    let rules = "{ algorithms: [gzip, br], types: [image/png], min_size: 1KiB }";
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url(), rules)).await;
    let image = ask(&gateway, "/image", "zstd, br, gzip").await;
    assert_eq!(header(&image, "content-encoding"), "gzip");
    let html = ask(&gateway, "/html", "zstd, br, gzip").await;
    assert_eq!(header(&html, "content-encoding"), "");
}

#[tokio::test]
async fn head_and_not_modified_say_what_get_would() {
    let upstream = upstream().await;
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url(), "true")).await;
    for client in [gateway.client(), gateway.http1_client()] {
        let request = client.head(gateway.https("/html"));
        let response = request
            .header("accept-encoding", "gzip")
            .send()
            .await
            .unwrap();
        assert_eq!(header(&response, "content-encoding"), "gzip");
        assert_eq!(header(&response, "etag"), "W/\"v1\"");
        assert_eq!(header(&response, "content-length"), "");
        assert!(response.bytes().await.unwrap().is_empty());
    }
    let response = ask(&gateway, "/kept", "gzip").await;
    assert_eq!(response.status(), 304);
    assert_eq!(header(&response, "etag"), "W/\"v1\"");
    assert_eq!(header(&response, "content-encoding"), "");
    assert_eq!(vary(&response), ["Accept-Encoding"]);
}

#[tokio::test]
async fn what_trickles_arrives_as_it_comes() {
    let (sender, receiver) = mpsc::channel::<&'static str>(1);
    let receiver = std::sync::Arc::new(tokio::sync::Mutex::new(receiver));
    let log = move || {
        let receiver = std::sync::Arc::clone(&receiver);
        let stream = futures_util::stream::unfold(receiver, async |receiver| {
            let text = receiver.lock().await.recv().await?;
            Some((Ok::<_, std::convert::Infallible>(text), receiver))
        });
        async {
            (
                [(header::CONTENT_TYPE, "text/plain")],
                Body::from_stream(stream),
            )
        }
    };
    let upstream = Fake::start(Router::new().route("/log", get(log))).await;
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url(), "true")).await;
    sender.send("first\n").await.unwrap();
    let mut response = ask(&gateway, "/log", "br").await;
    assert_eq!(header(&response, "content-encoding"), "br");
    let mut decoder = Decoder::new("br");
    let mut expected = "first\n".to_owned();
    for next in ["second\n", "third\n", ""] {
        within("a line", PATIENCE, async {
            while decoder.text() != expected {
                let chunk: Bytes = response.chunk().await.unwrap().expect("more to come");
                decoder.read(&chunk);
            }
        })
        .await;
        sender.send(next).await.unwrap();
        expected.push_str(next);
    }
    drop(sender);
    while let Some(chunk) = response.chunk().await.unwrap() {
        decoder.read(&chunk);
    }
    assert_eq!(decoder.text(), "first\nsecond\nthird\n");
}

#[tokio::test]
async fn events_are_left_alone() {
    let (upstream, events) = event_stream().await;
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url(), "true")).await;
    events.send("data: 1\n\n").await.unwrap();
    let mut response = ask(&gateway, "/events", "gzip, br, zstd").await;
    assert_eq!(header(&response, "content-encoding"), "");
    assert_eq!(response.chunk().await.unwrap().unwrap(), "data: 1\n\n");
}

#[tokio::test]
async fn an_answer_that_breaks_off_does_not_end_well() {
    let rude = Rude::saying(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5000\r\n\r\nonly the beginning",
    )
    .await;
    let gateway = Gateway::start(GATEWAY, &table(&rude.url(), "true")).await;
    let response = ask(&gateway, "/broken", "gzip").await;
    assert_eq!(header(&response, "content-encoding"), "gzip");
    assert!(response.bytes().await.is_err(), "it must not look complete");
    let line = gateway.access_line("/broken").await;
    assert_eq!(line["failure"], "upstream_body_broken");
}
