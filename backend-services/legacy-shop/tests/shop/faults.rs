use std::time::Duration;

use serde_json::json;

use crate::harness::Shop;

/// Longer than an answer takes, shorter than a test may.
const A_WHILE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn without_the_option_there_is_no_switch() {
    let shop = Shop::start().await;
    let (status, _) = shop.post("/_fault", &json!({ "mode": "error" })).await;
    assert_eq!(status, 404);
    assert_eq!(shop.get("/api/orders/1").await.0, 200);
}

#[tokio::test]
async fn an_error_is_answered_where_it_was_asked_for_and_nowhere_else() {
    let shop = Shop::start_with(true).await;
    let fault = json!({ "mode": "error", "path_prefix": "/api/orders" });
    assert_eq!(shop.post("/_fault", &fault).await.0, 200);
    assert_eq!(shop.get("/api/orders/1").await.0, 500);
    assert_eq!(shop.get("/api/products").await.0, 200);
    assert_eq!(shop.get("/readyz").await.0, 200);
    shop.post("/_fault", &json!({ "mode": "none" })).await;
    assert_eq!(shop.get("/api/orders/1").await.0, 200);
}

#[tokio::test]
async fn what_hangs_goes_on_when_the_fault_ends() {
    let shop = Shop::start_with(true).await;
    shop.post("/_fault", &json!({ "mode": "hang" })).await;
    let mut hanging = tokio::spawn(shop.client.get(shop.url("/api/orders/1")).send());
    assert!(tokio::time::timeout(A_WHILE, &mut hanging).await.is_err());
    shop.post("/_fault", &json!({ "mode": "none" })).await;
    assert_eq!(hanging.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn what_is_slow_answers_after_its_delay() {
    let shop = Shop::start_with(true).await;
    let slow = json!({ "mode": "slow", "delay_ms": 200 });
    shop.post("/_fault", &slow).await;
    let started = tokio::time::Instant::now();
    assert_eq!(shop.get("/api/orders/1").await.0, 200);
    assert!(started.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_fault_that_makes_no_sense_is_refused() {
    let shop = Shop::start_with(true).await;
    for fault in [
        json!({ "mode": "slow" }),
        json!({ "mode": "explode" }),
        json!({ "mode": "error", "path_prefix": "api" }),
        json!({ "mode": "error", "path": "/api" }),
    ] {
        assert_eq!(shop.post("/_fault", &fault).await.0, 422, "{fault}");
    }
}
