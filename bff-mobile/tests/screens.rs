//! The app's screens over real sockets.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test harness")]

use std::time::{Duration, Instant};

use chassis::{Running, Settings};
use fake_shop::{Answer, Shop};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

/// Until a service answers, and the catalogue's instances are known.
const PATIENCE: Duration = Duration::from_secs(10);

struct Bff {
    running: Running,
    shop: Shop,
    client: Client,
}

impl Bff {
    async fn start() -> Self {
        let shop = Shop::start().await;
        let data = tempfile::tempdir().unwrap();
        let service = Settings {
            registry: Some(shop.registry.url("")),
            ..Settings::for_tests(data.path())
        };
        let gateway_url = shop.gateway.url("").parse().unwrap();
        let running = bff_mobile::start(bff_mobile::Options {
            service,
            gateway_url,
        });
        let bff = Self {
            running: running.await.unwrap(),
            shop,
            client: Client::builder().no_proxy().build().unwrap(),
        };
        let deadline = Instant::now() + PATIENCE;
        while bff.json("/mobile/home?fields=featured").await["data"]["featured"].is_null() {
            assert!(Instant::now() < deadline, "the catalogue is not found");
        }
        bff
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client
            .get(format!("{}{path}", self.running.url()))
            .header("x-user-id", "1")
            .bearer_auth("the-token")
    }

    async fn answer(&self, path: &str) -> Response {
        self.get(path).send().await.unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        self.answer(path).await.json().await.unwrap()
    }

    fn breaks(&self, path: &str, status: u16) {
        let answer = Answer::Status(status, json!({ "detail": "out of order" }));
        self.shop.gateway.answers(path, answer);
    }
}

#[tokio::test]
async fn one_call_brings_the_home_screen_in_a_phones_size() {
    let bff = Bff::start().await;
    let body = bff.json("/mobile/home").await;
    let euros = |cents: u32| json!({ "cents": cents, "currency": "EUR" });
    assert_eq!(
        body,
        json!({
            "data": {
                "customer": { "id": 1, "name": "Harbour Books" },
                "orders": [{
                    "id": 1, "status": "approved", "placed_at": "2026-01-15T09:30:00Z",
                    "total": euros(900),
                }],
                "featured": [{ "sku": "TEA-001", "name": "Green tea, 100 g", "price": euros(450) }],
            },
            "parts": {},
        })
    );
    let asked = &bff.shop.gateway.seen_at("/api/orders")[0];
    assert_eq!(asked.query, "customer_id=1&limit=3");
}

#[tokio::test]
async fn the_token_goes_to_the_gateway_and_never_to_the_catalogue() {
    let bff = Bff::start().await;
    let request = bff.get("/mobile/home").header("cookie", "a=b");
    let response = request.send().await.unwrap();
    assert!(!response.headers().contains_key("set-cookie"));
    let asked = bff.shop.gateway.seen();
    assert_eq!(asked.len(), 2);
    for request in &asked {
        assert_eq!(request.headers["authorization"], "Bearer the-token");
        assert!(!request.headers.contains_key("cookie"));
        assert!(request.headers.contains_key("traceparent"));
    }
    let catalog = bff.shop.catalog.seen();
    assert!(!catalog.is_empty());
    for request in &catalog {
        assert!(
            !request.headers.contains_key("authorization"),
            "{request:?}"
        );
        assert!(!request.headers.contains_key("x-user-id"), "{request:?}");
    }
}

#[tokio::test]
async fn only_the_parts_asked_for_are_fetched() {
    let bff = Bff::start().await;
    let body = bff.json("/mobile/home?fields=orders").await;
    let names: Vec<_> = body["data"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["orders"]);
    assert!(bff.shop.gateway.seen_at("/api/customers/1").is_empty());
    let body = bff.json("/mobile/orders/1?fields=stock").await;
    assert_eq!(
        body["data"],
        json!({ "stock": [{ "sku": "TEA-001", "available": 120 }] })
    );
    let wrong = bff.answer("/mobile/home?fields=basket").await;
    assert_eq!(wrong.status(), 400);
    let problem: Value = wrong.json().await.unwrap();
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("customer, orders, featured")
    );
}

#[tokio::test]
async fn a_part_that_stalls_mid_body_leaves_a_gap_and_holds_nobody_up() {
    let bff = Bff::start().await;
    bff.shop
        .gateway
        .answers("/api/orders", Answer::StallMidBody);
    let begun = Instant::now();
    let response = bff.answer("/mobile/home").await;
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let body: Value = response.json().await.unwrap();
    assert!(body["data"]["orders"].is_null());
    assert_eq!(body["parts"]["orders"]["state"], "timeout");
    assert_eq!(body["data"]["customer"]["name"], "Harbour Books");
    assert_eq!(body["data"]["featured"][0]["sku"], "TEA-001");
}

#[tokio::test]
async fn an_order_is_required_and_its_stock_is_not() {
    let bff = Bff::start().await;
    let body = bff.json("/mobile/orders/1").await;
    assert_eq!(body["data"]["order"]["lines"][0]["quantity"], 2);
    assert!(body["data"]["order"].get("customer_id").is_none());
    assert_eq!(
        bff.shop.gateway.seen_at("/api/stock")[0].query,
        "skus=TEA-001"
    );

    bff.breaks("/api/stock", 500);
    let body = bff.json("/mobile/orders/1").await;
    assert!(body["data"]["stock"].is_null());
    assert_eq!(body["parts"]["stock"]["state"], "error");

    for (status, answer) in [(404, 404), (500, 502), (503, 503), (401, 401), (403, 403)] {
        bff.breaks("/api/orders/1", status);
        assert_eq!(bff.answer("/mobile/orders/1").await.status(), answer);
    }
    bff.shop.gateway.answers("/api/orders/1", Answer::Hang);
    assert_eq!(bff.answer("/mobile/orders/1").await.status(), 504);
}

async fn detail(answer: Response) -> String {
    let problem: Value = answer.json().await.unwrap();
    problem["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn somebody_elses_order_is_not_found() {
    let bff = Bff::start().await;
    let others = bff.answer("/mobile/orders/2").await;
    assert_eq!(others.status(), 404);
    let none = bff.answer("/mobile/orders/999").await;
    assert_eq!(none.status(), 404);
    // Whoever guesses does not learn which orders there are.
    let (others, none) = (detail(others).await, detail(none).await);
    assert_eq!(others, none);
    assert_eq!(bff.answer("/mobile/orders/..").await.status(), 404);
    assert_eq!(bff.answer("/mobile/orders/x").await.status(), 404);
}

#[tokio::test]
async fn without_a_token_the_answer_says_how_to_get_in() {
    let bff = Bff::start().await;
    for path in ["/mobile/home", "/mobile/orders/1"] {
        let request = bff.client.get(format!("{}{path}", bff.running.url()));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401, "{path}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
    }
}

#[tokio::test]
async fn what_a_phone_can_unpack_is_packed() {
    let bff = Bff::start().await;
    let request = bff.get("/mobile/home").header("accept-encoding", "gzip");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
}

#[tokio::test]
async fn a_strange_user_id_leads_nowhere_else() {
    let bff = Bff::start().await;
    for user in ["1/../2", "1?x=1", "1&limit=9"] {
        let url = format!("{}/mobile/home", bff.running.url());
        let request = bff.client.get(url).header("x-user-id", user);
        request.bearer_auth("t").send().await.unwrap();
    }
    for seen in bff.shop.gateway.seen() {
        assert!(!seen.path.starts_with("/api/customers/2"), "{seen:?}");
        assert!(!seen.query.contains("x=1"), "{seen:?}");
        assert!(!seen.query.contains("limit=9"), "{seen:?}");
    }
}
