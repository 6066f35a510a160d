//! A gateway with layers of its own: `gateway/examples/custom_layer.rs`.

use tests::upstream::{Fake, Rude};
use tests::{Gateway, ReplyExt as _};

use crate::CUSTOM_LAYER;

fn table(orders: &str, slow: &str) -> String {
    format!(
        r#"upstreams:
  orders: {{ endpoints: ["{orders}"] }}
  slow: {{ endpoints: ["{slow}"] }}
routes:
  - {{ name: orders, match: {{ prefix: /orders }}, to: {{ upstream: orders }} }}
  - {{ name: others, match: {{ prefix: /others }}, to: {{ upstream: orders }} }}
  - {{ name: slow, match: {{ prefix: /slow }}, to: {{ upstream: slow }} }}
"#
    )
}

#[tokio::test]
async fn a_global_layer_is_around_everything_and_a_routes_around_its_route() {
    let (orders, slow) = (Fake::echo("orders").await, Rude::hanging().await);
    let table = table(&orders.url(), &slow.url());
    let mut gateway = Gateway::start(CUSTOM_LAYER, &table).await;
    let client = gateway.client();

    let others = client
        .get(gateway.https("/others"))
        .reply()
        .await
        .expect(200);
    assert_eq!(others.header("x-gateway-build"), "0.1.0");
    assert_eq!(others.header("x-served-by"), "orders");

    let request = client
        .post(gateway.https("/orders/1"))
        .header("x-table", "7");
    let named = request.body("two teas").reply().await.expect(200);
    assert_eq!(named.json()["body_bytes"], 8, "the body came through");

    let refused = client
        .get(gateway.https("/orders/2"))
        .reply()
        .await
        .expect(422);
    assert_eq!(refused.body, "Which table?\n");
    assert_eq!(
        refused.header("x-gateway-build"),
        "0.1.0",
        "also what a layer answers itself"
    );
    assert!(!refused.header("x-request-id").is_empty());
    assert_eq!(orders.requests(), 2, "the upstream was not asked");
    let line = gateway.access_line("/orders/2").await;
    assert_eq!(
        (&line["status"], &line["bytes_out"]),
        (&422.into(), &13.into())
    );

    client
        .get(gateway.https("/nowhere"))
        .reply()
        .await
        .expect_problem(404, "no_route");
    gateway.assert_sound();
}

#[tokio::test]
async fn a_layer_that_answers_first_ends_what_is_within() {
    let (orders, slow) = (Fake::echo("orders").await, Rude::hanging().await);
    let table = table(&orders.url(), &slow.url());
    let gateway = Gateway::start(CUSTOM_LAYER, &table).await;
    gateway.get("/slow").await.expect(504);
    let open = gateway.metric("gateway_requests_in_flight", &[]).await;
    assert!(open <= 0.0, "{open} still open");
}
