//! `/web/home`.

use std::time::{Duration, Instant};

use fake_shop::{Answer, Fake};
use serde_json::{Value, json};

use crate::bff::Bff;

#[tokio::test]
async fn one_call_brings_customer_orders_and_products() {
    let bff = Bff::start().await;
    let body = bff.json("/web/home").await;
    assert_eq!(body["parts"], json!({}), "{body}");
    assert_eq!(body["data"]["customer"]["credit_limit"]["cents"], 50000);
    assert_eq!(body["data"]["orders"][0]["lines"][0]["sku"], "TEA-001");
    assert_eq!(body["data"]["products"][0]["price"]["cents"], 450);
    let orders = &bff.shop.gateway.seen_at("/api/orders")[0];
    assert_eq!(orders.query, "customer_id=1&limit=5");
}

#[tokio::test]
async fn the_token_goes_to_the_gateway_and_never_to_the_catalogue() {
    let bff = Bff::start().await;
    let request = bff.with_token("/web/home").header("cookie", "a=b");
    request.send().await.unwrap();
    let asked = bff.shop.gateway.seen();
    assert!(!asked.is_empty());
    for request in &asked {
        assert_eq!(request.headers["authorization"], "Bearer the-token");
        assert!(!request.headers.contains_key("cookie"));
    }
    for request in &bff.shop.catalog.seen() {
        assert!(
            !request.headers.contains_key("authorization"),
            "{request:?}"
        );
    }
}

#[tokio::test]
async fn a_part_that_fails_or_stalls_leaves_a_gap_and_holds_nobody_up() {
    let bff = Bff::start().await;
    let broken = Answer::Status(500, json!({}));
    for (answer, state) in [
        (Answer::Hang, "timeout"),
        (Answer::StallMidBody, "timeout"),
        (broken, "error"),
    ] {
        bff.shop.gateway.answers("/api/orders", answer);
        let begun = Instant::now();
        let response = bff.answer("/web/home").await;
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{:?}",
            begun.elapsed()
        );
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body: Value = response.json().await.unwrap();
        assert!(body["data"]["orders"].is_null(), "{body}");
        assert_eq!(body["parts"]["orders"]["state"], state, "{body}");
        assert_eq!(body["parts"].as_object().unwrap().len(), 1, "{body}");
        assert_eq!(body["data"]["customer"]["name"], "Harbour Books");
    }
}

#[tokio::test]
async fn an_instance_of_the_catalogue_that_is_gone_is_passed_over() {
    let bff = Bff::start().await;
    let gone = Fake::start().await;
    bff.shop.instances(&[&gone, &bff.shop.catalog]);
    let deadline = Instant::now() + Duration::from_secs(10);
    while gone.seen().is_empty() {
        bff.answer("/web/home").await;
        assert!(
            Instant::now() < deadline,
            "the registry's news did not arrive"
        );
    }
    drop(gone);
    for _ in 0..4 {
        let body = bff.json("/web/home").await;
        assert_eq!(body["parts"], json!({}), "{body}");
    }
}

#[tokio::test]
async fn without_the_customer_there_is_no_screen() {
    let bff = Bff::start().await;
    for (status, answer) in [(500, 502), (503, 503), (404, 502), (401, 401), (403, 403)] {
        bff.breaks("/api/customers/1", status);
        let response = bff.answer("/web/home").await;
        assert_eq!(response.status(), answer);
        assert!(!response.text().await.unwrap().contains("inside text"));
    }
    bff.shop.gateway.answers("/api/customers/1", Answer::Hang);
    assert_eq!(bff.answer("/web/home").await.status(), 504);
}

#[tokio::test]
async fn a_refusal_of_an_optional_part_is_the_answer() {
    let bff = Bff::start().await;
    bff.breaks("/api/orders", 401);
    let response = bff.answer("/web/home").await;
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn programs_get_401_and_no_redirect() {
    let bff = Bff::start().await;
    for path in ["/web/home", "/web/user"] {
        let response = bff.anonymous(path).send().await.unwrap();
        assert_eq!(response.status(), 401, "{path}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
    }
    assert_eq!(bff.json("/web/user").await["sub"], "1");
}
