//! What an upstream gets to see, what a client gets back, and what the operator reads of it.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use serde_json::Value;
use tests::upstream::{Fake, echo};
use tests::{Gateway, ReplyExt as _, plain_client};

use crate::{GATEWAY, everything_to};

fn two_routes(url: &str) -> String {
    format!(
        r#"upstreams:
  service: {{ endpoints: ["{url}"], strip_prefix: /api }}
routes:
  - {{ name: get-order, match: {{ path: "/api/orders/{{id}}", methods: [GET] }}, to: {{ upstream: service }} }}
  - {{ name: pages, match: {{ path: "/api/pages/{{*rest}}" }}, to: {{ upstream: service }} }}
"#
    )
}

#[tokio::test]
async fn a_prefix_is_stripped_and_the_answer_names_its_server() {
    let upstream = Fake::echo("service").await;
    let gateway = Gateway::start(GATEWAY, &two_routes(&upstream.url())).await;
    let reply = gateway.get("/api/orders/1?full=yes").await.expect(200);
    assert_eq!(reply.served_by(), "service");
    let seen = reply.json();
    assert_eq!(
        (&seen["path"], &seen["query"]),
        (&"/orders/1".into(), &"full=yes".into())
    );
}

#[tokio::test]
async fn a_location_below_the_stripped_prefix_points_back_through_the_gateway() {
    let moved = (StatusCode::FOUND, [(header::LOCATION, "/pages/new")]);
    let upstream = Fake::start(Router::new().route("/pages/old", get(async move || moved))).await;
    let gateway = Gateway::start(GATEWAY, &two_routes(&upstream.url())).await;
    let reply = gateway.get("/api/pages/old").await.expect(302);
    assert_eq!(reply.header("location"), "/api/pages/new");
}

#[tokio::test]
async fn an_unknown_path_is_a_problem_and_the_log_names_the_nearest_miss() {
    let gateway = Gateway::start(GATEWAY, &two_routes("http://127.0.0.1:1")).await;
    let reply = gateway.get("/api/order/1").await;
    assert!(
        !reply.body.contains("orders"),
        "the client is told no names of routes: {reply:?}"
    );
    assert_eq!(reply.header("x-gateway-error"), "no_route");
    reply.expect_problem(404, "no_route");
    let line = gateway.access_line("/api/order/1").await;
    let miss = line["nearest_miss"].as_str().unwrap();
    assert!(miss.contains("get-order"), "{miss}");

    gateway
        .client()
        .delete(gateway.https("/api/orders/7"))
        .reply()
        .await
        .expect(404);
    let line = gateway.access_line("/api/orders/7").await;
    assert!(
        line["nearest_miss"].as_str().unwrap().contains("DELETE"),
        "{line}"
    );
}

#[tokio::test]
async fn one_trace_and_one_request_id_run_from_the_client_to_the_upstream_and_the_log() {
    let upstream = Fake::echo("service").await;
    let gateway = Gateway::start(GATEWAY, &two_routes(&upstream.url())).await;
    let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let sent = format!("00-{trace_id}-00f067aa0ba902b7-01");
    let request = gateway.client().get(gateway.https("/api/orders/1"));
    let request = request
        .header("traceparent", &sent)
        .header("tracestate", "vendor=1");
    let reply = request
        .header("x-request-id", "not-to-be-trusted")
        .reply()
        .await
        .expect(200);
    let seen = reply.json()["headers"].clone();
    let forwarded = seen["traceparent"].as_str().unwrap();
    assert!(
        forwarded.starts_with(&format!("00-{trace_id}-")),
        "{forwarded}"
    );
    assert_ne!(
        forwarded, sent,
        "the upstream's parent is the gateway's own span"
    );
    assert_eq!(seen["tracestate"], "vendor=1");
    assert_eq!(seen["x-request-id"], reply.header("x-request-id"));
    assert_ne!(seen["x-request-id"], "not-to-be-trusted");
    let line = gateway.access_line("/api/orders/1").await;
    assert_eq!(line["trace_id"], trace_id);
    assert_eq!(line["request_id"], reply.header("x-request-id"));
}

#[tokio::test]
async fn the_access_log_says_who_served_what_and_keeps_query_values_to_itself() {
    let upstream = Fake::echo("service").await;
    let gateway = Gateway::start(GATEWAY, &two_routes(&upstream.url())).await;
    gateway
        .get("/api/orders/1?token=secret-value")
        .await
        .expect(200);
    let line = gateway.access_line("/api/orders/1").await;
    for (field, value) in [
        ("method", Value::from("GET")),
        ("status", 200.into()),
        ("route", "get-order".into()),
        ("upstream", "service".into()),
        ("endpoint", upstream.addr().to_string().into()),
        ("listener", "edge".into()),
        ("attempts", 1.into()),
        ("client", "127.0.0.1".into()),
    ] {
        assert_eq!(line[field], value, "{field} of {line}");
    }
    assert!(line["duration_ms"].is_number(), "{line}");
    assert!(!line.to_string().contains("secret-value"), "{line}");
}

#[tokio::test]
async fn clients_outside_are_not_believed_where_they_come_from() {
    let upstream = Fake::echo("only").await;
    let gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let request = gateway.client().get(gateway.https("/"));
    let request = request
        .header("x-forwarded-for", "203.0.113.9")
        .header("x-forwarded-proto", "ftp")
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "for=203.0.113.9")
        .header("x-request-deadline-ms", "1");
    let seen = request.reply().await.expect(200).json()["headers"].clone();
    assert_eq!(seen["x-forwarded-for"], "127.0.0.1");
    assert_eq!(seen["x-forwarded-proto"], "https");
    assert_ne!(seen["x-forwarded-host"], "evil.example");
    assert_ne!(seen["forwarded"], "for=203.0.113.9");
    assert_ne!(seen["x-request-deadline-ms"], "1");
}

#[tokio::test]
async fn our_own_callers_deadline_is_kept() {
    let upstream = Fake::echo("only").await;
    let gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let request = plain_client().get(gateway.http("internal", "/"));
    let seen = request
        .header("x-request-deadline-ms", "900")
        .reply()
        .await
        .expect(200)
        .json();
    let left: u32 = seen["headers"]["x-request-deadline-ms"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(left <= 900, "{left}");
    let request = plain_client().get(gateway.http("internal", "/"));
    let reply = request.header("x-request-deadline-ms", "0").reply().await;
    reply.expect_problem(504, "deadline_exceeded");
}

#[tokio::test]
async fn headers_of_one_hop_stay_on_it() {
    let upstream = Fake::echo("only").await;
    let gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let mut raw = gateway.raw().await;
    raw.send(
        b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close, X-Secret\r\nX-Secret: 1\r\n\
          Keep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: Basic eA==\r\nX-Kept: 1\r\n\r\n",
    )
    .await;
    let answer = raw.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("x-kept"), "{answer}");
    for name in ["x-secret", "keep-alive", "proxy-authorization"] {
        assert!(!answer.contains(name), "{name} was passed on: {answer}");
    }
}

#[tokio::test]
async fn a_fixed_answer_needs_no_upstream() {
    let table = r#"routes:
  - match: { path: /hello }
    to: { respond: { status: 203, content_type: text/plain, body: "good day" } }
"#;
    let gateway = Gateway::start(GATEWAY, table).await;
    let reply = gateway.get("/hello").await.expect(203);
    assert_eq!(
        (reply.header("content-type"), reply.body.as_str()),
        ("text/plain", "good day")
    );
}

#[tokio::test]
async fn a_large_body_comes_through_whole_both_ways() {
    const LENGTH: usize = 8 * 1024 * 1024;
    let big = Router::new()
        .route("/big", get(async || "x".repeat(LENGTH)))
        .merge(echo("only"));
    let upstream = Fake::start(big).await;
    let gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    for client in [gateway.client(), gateway.http1_client()] {
        let reply = client.get(gateway.https("/big")).reply().await.expect(200);
        assert_eq!(reply.body.len(), LENGTH);
        let request = client.put(gateway.https("/up")).body(vec![b'x'; LENGTH]);
        assert_eq!(
            request.reply().await.expect(200).json()["body_bytes"],
            LENGTH
        );
    }
}

#[tokio::test]
async fn an_upstream_sees_the_clients_host_or_its_own_as_the_table_says() {
    let upstream = Fake::echo("service").await;
    let kept = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let seen = kept.get("/").await.expect(200).json();
    assert!(
        seen["headers"]["host"]
            .as_str()
            .unwrap()
            .starts_with("localhost:"),
        "{seen}"
    );

    let own = everything_to(&upstream.url()).replace("] }", "], preserve_host: false }");
    let own = Gateway::start(GATEWAY, &own).await;
    let seen = own.get("/").await.expect(200).json();
    assert_eq!(seen["headers"]["host"], upstream.addr().to_string());
    assert!(
        seen["headers"]["x-forwarded-host"]
            .as_str()
            .unwrap()
            .starts_with("localhost:"),
        "{seen}"
    );
}
