//! Rows that are closed for a while.

use tests::upstream::{Fake, event_stream};
use tests::{Edit, Gateway, ReplyExt as _};

use crate::GATEWAY;

fn table(url: &str, whole: &str, route: &str) -> String {
    format!(
        r#"{whole}
limits: {{ one: {{ key: ip, rate: 1/h }} }}
upstreams:
  only: {{ endpoints: ["{url}"] }}
routes:
  - {{ name: orders, match: {{ prefix: /orders }}, to: {{ upstream: only }}, limits: [one]{route} }}
  - {{ name: status, match: {{ path: /status }}, to: {{ respond: {{ body: soon }} }}, maintenance: false }}
  - {{ name: old, match: {{ path: /old }}, to: {{ redirect: /orders }} }}
"#
    )
}

#[tokio::test]
async fn a_closed_row_says_when_to_come_back_and_asks_nobody() {
    let upstream = Fake::echo("only").await;
    let route = ", maintenance: { retry_after: 10m }";
    let gateway = Gateway::start(GATEWAY, &table(&upstream.url(), "", route)).await;
    for _ in 0..2 {
        let reply = gateway.get("/orders/1").await.expect(503);
        assert_eq!(reply.header("retry-after"), "600");
        assert_eq!(reply.header("x-gateway-error"), "maintenance");
        assert_eq!(reply.header("content-type"), "application/problem+json");
        assert_eq!(reply.header("cache-control"), "no-store");
        assert_eq!(reply.json()["code"], "maintenance");
    }
    assert_eq!(upstream.requests(), 0);
    // A row by itself leaves others open.
    gateway.get("/old").await.expect(307);
    let refused = gateway
        .metric("gateway_failures_total", &["reason=\"maintenance\""])
        .await;
    assert!((refused - 2.0).abs() < f64::EPSILON);
    let question = serde_json::json!({ "method": "GET", "url": "/orders/1" });
    let request = tests::plain_client().post(gateway.http("admin", "/explain"));
    let report = request.json(&question).reply().await.expect(200).json();
    assert_eq!(report["refused"]["code"], "maintenance");
    assert_eq!(report["route"]["name"], "orders");
    let line = gateway.access_line("/orders/1").await;
    assert_eq!(
        (&line["route"], &line["failure"]),
        (&"orders".into(), &"maintenance".into())
    );
}

#[tokio::test]
async fn the_whole_table_closes_and_opens_by_one_line_but_for_rows_and_clients_that_are_let_in() {
    let upstream = Fake::echo("only").await;
    let closed = |except: &str| {
        let whole = format!("maintenance: {{ except: {except} }}");
        table(&upstream.url(), &whole, "")
    };
    let mut gateway = Gateway::start(GATEWAY, &closed("[]")).await;
    for path in ["/orders", "/old"] {
        let reply = gateway.get(path).await.expect(503);
        assert_eq!(reply.header("retry-after"), "300", "{path}");
    }
    gateway.get("/status").await.expect(200);
    gateway.get("/nowhere").await.expect(404);

    gateway
        .edit(Edit::Rename, &Gateway::table(&closed("[\"127.0.0.0/8\"]")))
        .await;
    gateway.get("/orders").await.expect(200);
    gateway
        .edit(Edit::Rename, &Gateway::table(&closed("[\"10.0.0.0/8\"]")))
        .await;
    gateway.get("/orders").await.expect(503);
    // Who it is for our own callers is whom they speak for.
    let request = tests::plain_client().get(gateway.http("internal", "/old"));
    let request = request.header("x-forwarded-for", "10.1.2.3");
    request.reply().await.expect(307);
    let open = table(&upstream.url(), "maintenance: false", "");
    gateway.edit(Edit::Rename, &Gateway::table(&open)).await;
    gateway.get("/old").await.expect(307);
}

#[tokio::test]
async fn what_is_under_way_when_a_row_closes_goes_on() {
    let (upstream, events) = event_stream().await;
    let open = everything(&upstream.url(), "");
    let mut gateway = Gateway::start(GATEWAY, &open).await;
    events.send("data: 1\n\n").await.unwrap();
    let request = gateway.client().get(gateway.https("/events"));
    let mut response = request.send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "data: 1\n\n");
    let closed = everything(&upstream.url(), "maintenance: true");
    gateway.edit(Edit::Rename, &Gateway::table(&closed)).await;
    gateway.get("/events").await.expect(503);
    events.send("data: 2\n\n").await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "data: 2\n\n");
}

fn everything(url: &str, whole: &str) -> String {
    format!("{whole}\n{}", crate::everything_to(url))
}
