//! Who is taken out for a while and comes back: active checks and passive ejection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Response};
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tests::upstream::{Node, Refused, Rude, Speaking, Spoken};
use tests::{Gateway, PATIENCE, ReplyExt as _, eventually};

use crate::GATEWAY;
use crate::upstream_protocols::Files;

/// A table with one upstream of these endpoints, in which `extra` is said of it, asked once a request.
fn table(endpoints: &[String], extra: &str) -> String {
    let endpoints: Vec<_> = endpoints.iter().map(|url| format!("\"{url}\"")).collect();
    let endpoints = endpoints.join(", ");
    format!(
        r#"upstreams:
  pool: {{ endpoints: [{endpoints}]{extra} }}
routes:
  - {{ match: {{ prefix: / }}, to: {{ upstream: pool }}, retries: 0, timeout: 5s }}
"#
    )
}

/// Checks often, and believes the first outcome.
fn health(probe: &str) -> String {
    format!(
        ", health: {{ {probe}, interval: 100ms, timeout: 2s, unhealthy_after: 1, healthy_after: 1 }}"
    )
}

async fn ejections(gateway: &Gateway, labels: &[&str]) -> f64 {
    let name = "gateway_upstream_ejections_total";
    gateway.metric(name, labels).await
}

#[tokio::test]
async fn an_endpoint_that_answers_503_again_and_again_is_ejected_with_its_reason() {
    let (sick, well) = (Node::start("sick").await, Node::start("well").await);
    sick.answer_with(503);
    let table = table(&[sick.url(), well.url()], ", balance: round_robin");
    let mut gateway = Gateway::start(GATEWAY, &table).await;
    let client = gateway.client();
    let mut refused = 0;
    for _ in 0..40 {
        let reply = client.get(gateway.https("/")).reply().await;
        refused += u32::from(reply.status == 503);
    }
    assert_eq!(refused, 5, "the fifth in a row is the last");
    let page = gateway
        .wait_for_state(&sick.address(), "ejected", "gateway_failures")
        .await;
    let (since, until) = (page["since"].as_str(), page["until"].as_str());
    assert!(since.is_some() && since < until, "{page}");
    let labels = ["upstream=\"pool\"", "reason=\"gateway_failures\""];
    assert!((ejections(&gateway, &labels).await - 1.0).abs() < f64::EPSILON);
    let is_told = |line: &serde_json::Value| {
        line["message"] == "endpoint ejected" && line["reason"] == "gateway_failures"
    };
    let line = gateway
        .process
        .line_after(0, "the ejection's line", is_told)
        .await;
    assert_eq!(line["endpoint"], sick.address());
    gateway.assert_sound();
}

#[tokio::test]
async fn other_server_errors_eject_only_where_the_table_says_so() {
    for (rules, reason) in [
        ("", ""),
        (", outlier: { server_errors: 3 }", "server_errors"),
    ] {
        let (sick, well) = (Node::start("sick").await, Node::start("well").await);
        sick.answer_with(500);
        let extra = format!(", balance: round_robin{rules}");
        let gateway = Gateway::start(GATEWAY, &table(&[sick.url(), well.url()], &extra)).await;
        let client = gateway.client();
        for _ in 0..40 {
            client.get(gateway.https("/")).reply().await;
        }
        let state = if reason.is_empty() {
            "available"
        } else {
            "ejected"
        };
        gateway.wait_for_state(&sick.address(), state, reason).await;
    }
}

#[tokio::test]
async fn the_only_endpoint_is_never_ejected() {
    let nobody = Refused::new();
    let gateway = Gateway::start(GATEWAY, &table(&[nobody.url()], "")).await;
    for _ in 0..20 {
        let reply = gateway.get("/").await;
        reply.expect_problem(502, "upstream_unreachable");
    }
    assert!(ejections(&gateway, &[]).await.abs() < f64::EPSILON);
}

#[tokio::test]
async fn the_one_that_fails_much_more_often_than_the_others_is_ejected() {
    let mut nodes = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        nodes.push(Node::start(name).await);
    }
    let urls: Vec<_> = nodes.iter().map(Node::url).collect();
    let rules = ", balance: round_robin, \
                 outlier: { success_rate: { interval: 1s, min_requests: 5 } }";
    let mut gateway = Gateway::start(GATEWAY, &table(&urls, rules)).await;
    let client = gateway.client();
    // Every other answer: never five in a row.
    let mut turn = 0_u32;
    eventually("an ejection by success rate", PATIENCE, async || {
        for _ in 0..10 {
            turn += 1;
            nodes[2].answer_with(if turn.is_multiple_of(2) { 500 } else { 200 });
            for _ in 0..5 {
                client.get(gateway.https("/")).reply().await;
            }
        }
        let ejected = ejections(&gateway, &["reason=\"success_rate\""]).await;
        (ejected >= 1.0).then_some(())
    })
    .await;
    gateway
        .wait_for_state(&nodes[2].address(), "ejected", "success_rate")
        .await;
    gateway.assert_sound();
}

#[tokio::test]
async fn clients_that_leave_are_no_failure_of_an_endpoint() {
    let (one, other) = (Rude::hanging().await, Rude::hanging().await);
    let gateway = Gateway::start(GATEWAY, &table(&[one.url(), other.url()], "")).await;
    let client = gateway.http1_client();
    for _ in 0..20 {
        let request = client.get(gateway.https("/"));
        let left = request.timeout(Duration::from_millis(50)).send().await;
        assert!(left.is_err());
    }
    eventually("every request to have ended", PATIENCE, async || {
        let left = gateway.metric("gateway_requests_in_flight", &[]).await;
        (left.abs() < 0.1).then_some(())
    })
    .await;
    assert!(ejections(&gateway, &[]).await.abs() < f64::EPSILON);
    for server in [one, other] {
        let name = server.url().replace("http://", "");
        gateway.wait_for_state(&name, "available", "").await;
    }
}

#[tokio::test]
async fn a_check_over_http_takes_an_endpoint_out_and_brings_it_back() {
    let (sick, well) = (Node::start("sick").await, Node::start("well").await);
    let table = table(&[sick.url(), well.url()], &health("path: /health"));
    let mut gateway = Gateway::start(GATEWAY, &table).await;
    sick.tell_checks(503);
    gateway
        .wait_for_state(&sick.address(), "unhealthy", "status 503")
        .await;
    sick.tell_checks(204);
    gateway
        .wait_for_state(&sick.address(), "available", "")
        .await;
    let name = "gateway_upstream_health_checks_total";
    assert!(gateway.metric(name, &["result=\"failed\""]).await >= 1.0);
    assert!(gateway.metric(name, &["result=\"passed\""]).await >= 1.0);
    gateway.assert_sound();
}

#[tokio::test]
async fn a_passed_check_takes_back_an_endpoint_that_could_not_be_reached() {
    // Ten minutes long, if nothing ended it.
    let rules = ", balance: round_robin, outlier: { ejection: 10m, max_ejection: 10m }";
    let well = Node::start("well").await;
    let rude = Rude::start(async |mut connection: tokio::net::TcpStream| {
        let head = tests::upstream::read_head(&mut connection).await;
        if head.starts_with("GET /health ") {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            // The check may have gone.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut connection, answer).await;
        }
    })
    .await;
    let checks = ", health: { path: /health, interval: 2s, healthy_after: 1 }";
    let extra = format!("{rules}{checks}");
    let gateway = Gateway::start(GATEWAY, &table(&[rude.url(), well.url()], &extra)).await;
    let client = gateway.client();
    for _ in 0..10 {
        client.get(gateway.https("/")).reply().await;
    }
    assert!(ejections(&gateway, &["reason=\"local_failures\""]).await >= 1.0);
    let name = rude.url().replace("http://", "");
    gateway.wait_for_state(&name, "available", "").await;
}

#[tokio::test]
async fn a_check_over_tls_trusts_whom_requests_trust() {
    let files = Files::new();
    let config = || files.server("127.0.0.1", &["h2", "http/1.1"]);
    let well = || Router::new().fallback(async || "well");
    let trusted = Speaking::tls(config(), well()).await;
    let stranger = Speaking::tls(Files::new().server("127.0.0.1", &["http/1.1"]), well()).await;
    let urls = [trusted.https("127.0.0.1"), stranger.https("127.0.0.1")];
    let extra = format!(", {}{}", files.tls(""), health("path: /health"));
    let mut gateway = Gateway::start(GATEWAY, &table(&urls, &extra)).await;
    gateway
        .wait_for_state(&stranger.addr().to_string(), "unhealthy", "TLS failed")
        .await;
    let well = gateway.endpoint(&trusted.addr().to_string()).await;
    assert_eq!(well["state"], "available");
    assert_eq!(gateway.get("/").await.expect(200).body, "well");
    gateway.assert_sound();
}

#[tokio::test]
async fn a_check_of_the_connection_finds_who_is_not_there() {
    let (nobody, well) = (Refused::new(), Rude::hanging().await);
    let urls = [nobody.url(), well.url()];
    let mut gateway = Gateway::start(GATEWAY, &table(&urls, &health("tcp: true"))).await;
    let name = nobody.url().replace("http://", "");
    gateway.wait_for_state(&name, "unhealthy", "refused").await;
    let well = gateway.endpoint(&well.url().replace("http://", "")).await;
    assert_eq!(
        well["state"], "available",
        "it accepts, and nothing more is asked"
    );
    gateway.assert_sound();
}

#[tokio::test]
async fn sockets_are_checked_too() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["well", "gone"].map(|name| folder.path().join(name));
    let routes = Router::new().fallback(async || "well");
    let _well = Speaking::unix(&paths[0], Spoken::Http1, routes);
    let names = paths.map(|path| format!("unix:{}", path.display()));
    for probe in ["path: /health", "tcp: true"] {
        let gateway = Gateway::start(GATEWAY, &table(&names, &health(probe))).await;
        gateway
            .wait_for_state(&names[1], "unhealthy", "connect failed")
            .await;
        let well = gateway.endpoint(&names[0]).await;
        assert_eq!(well["state"], "available", "{probe}");
        assert_eq!(gateway.get("/").await.expect(200).body, "well");
    }
}

/// A gRPC server whose health service answers with `status`; the service that was asked about last.
fn grpc(status: &Arc<AtomicU8>) -> Router {
    let status = Arc::clone(status);
    Router::new().fallback(move |request: Request| {
        let status = Arc::clone(&status);
        async move {
            let asked = request.uri().path().to_owned();
            let grpc = request.headers()["content-type"] == "application/grpc";
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let right = asked == "/grpc.health.v1.Health/Check"
                && grpc
                && body[..] == *b"\x00\x00\x00\x00\x06\x0a\x04shop";
            let mut trailers = HeaderMap::new();
            let code = if right { "0" } else { "12" };
            trailers.insert("grpc-status", HeaderValue::from_static(code));
            let message = [0, 0, 0, 0, 2, 0x08, status.load(Ordering::Relaxed)];
            let frames = [
                Frame::data(Bytes::copy_from_slice(&message)),
                Frame::trailers(trailers),
            ];
            let frames = stream::iter(frames.map(Ok::<_, std::convert::Infallible>));
            let mut response = Response::new(Body::new(StreamBody::new(frames)));
            let content_type = HeaderValue::from_static("application/grpc");
            response.headers_mut().insert("content-type", content_type);
            response
        }
    })
}

#[tokio::test]
async fn a_check_by_grpc_asks_the_health_service() {
    let files = Files::new();
    for tls in [false, true] {
        let status = Arc::new(AtomicU8::new(1));
        let (server, url, tls) = if tls {
            let config = files.server("127.0.0.1", &["h2"]);
            let server = Speaking::tls(config, grpc(&status)).await;
            let url = server.https("127.0.0.1");
            (server, url, format!(", {}", files.tls("")))
        } else {
            let server = Speaking::plain(Spoken::HTTP2, grpc(&status)).await;
            let url = server.url();
            (server, url, String::new())
        };
        let extra = format!("{tls}{}", health("grpc: shop"));
        let mut gateway = Gateway::start(GATEWAY, &table(&[url], &extra)).await;
        let name = server.addr().to_string();
        let passed = "gateway_upstream_health_checks_total";
        eventually("a passed check", PATIENCE, async || {
            let passed = gateway.metric(passed, &["result=\"passed\""]).await;
            (passed >= 1.0).then_some(())
        })
        .await;
        gateway.wait_for_state(&name, "available", "").await;
        status.store(2, Ordering::Relaxed);
        gateway
            .wait_for_state(&name, "unhealthy", "NOT_SERVING")
            .await;
        status.store(1, Ordering::Relaxed);
        gateway.wait_for_state(&name, "available", "").await;
        gateway.assert_sound();
    }
}

#[tokio::test]
async fn a_server_that_knows_no_grpc_does_not_pass_a_check_by_it() {
    let http1 = Node::start("http1").await;
    let routes = Router::new().fallback(async || "no gRPC");
    let http2 = Speaking::plain(Spoken::HTTP2, routes).await;
    let urls = [http1.url(), http2.url()];
    let gateway = Gateway::start(GATEWAY, &table(&urls, &health("grpc: ''"))).await;
    gateway
        .wait_for_state(&http1.address(), "unhealthy", "")
        .await;
    let reason = "no gRPC health";
    gateway
        .wait_for_state(&http2.addr().to_string(), "unhealthy", reason)
        .await;
}
