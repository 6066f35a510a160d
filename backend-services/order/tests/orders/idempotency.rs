//! The same key, again.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::json;

use crate::shop::{Shop, order_of, read};

#[tokio::test]
async fn an_order_without_a_key_is_refused() {
    let shop = Shop::open().await;
    let request = shop
        .client
        .post(shop.url("/orders"))
        .json(&order_of(&[("TEA-001", 1)]));
    let (status, problem) = read(request.send().await.unwrap()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(problem["code"], "idempotency_key_missing");
}

#[tokio::test]
async fn the_same_key_with_the_same_order_is_answered_alike() {
    let shop = Shop::open().await;
    let first = shop.post_order("key-1", &order_of(&[("POT-001", 2)])).await;
    let first_location = first.headers()["location"].clone();
    let first = read(first).await;
    // Even when the order has moved on meanwhile: what was answered, was answered.
    shop.cancel(&first.1["id"], 1).await;
    let second = shop.post_order("key-1", &order_of(&[("POT-001", 2)])).await;
    assert_eq!(second.headers()["location"], first_location);
    assert_eq!(read(second).await, first);
    assert_eq!(shop.stock("POT-001").await, (12, 0));
}

#[tokio::test]
async fn a_refusal_is_an_answer_too() {
    let shop = Shop::open().await;
    let refused = shop.place("key-1", &[("POT-001", 13)]).await;
    let url = format!("{}/stock/POT-001", shop.inventory.url());
    let restocked = json!({"available": 50, "version": 1});
    assert!(
        shop.client
            .put(url)
            .json(&restocked)
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
    assert_eq!(shop.place("key-1", &[("POT-001", 13)]).await, refused);
    assert_eq!(
        shop.place("key-2", &[("POT-001", 13)]).await.0,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn the_same_key_with_another_order_is_refused() {
    let shop = Shop::open().await;
    assert_eq!(
        shop.place("key-1", &[("POT-001", 1)]).await.0,
        StatusCode::CREATED
    );
    let (status, problem) = shop.place("key-1", &[("POT-001", 2)]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["code"], "idempotency_key_reused");
    assert_eq!(shop.stock("POT-001").await, (11, 1));
}

#[tokio::test]
async fn a_key_belongs_to_the_user_who_sent_it() {
    let shop = Shop::open().await;
    let mut ids = Vec::new();
    for user in ["1", "2"] {
        let request = shop.client.post(shop.url("/orders"));
        let request = request
            .header("Idempotency-Key", "key-1")
            .header("X-User-Id", user);
        let (status, order) = read(
            request
                .json(&order_of(&[("TEA-001", 1)]))
                .send()
                .await
                .unwrap(),
        )
        .await;
        assert_eq!(status, StatusCode::CREATED);
        ids.push(order["id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_twenty_times_at_once_makes_one_order() {
    let shop = Arc::new(Shop::open().await);
    let orders: Vec<_> = (0..20)
        .map(|_| {
            let shop = shop.clone();
            tokio::spawn(async move { shop.place("key-1", &[("POT-001", 1)]).await })
        })
        .collect();
    let mut created = Vec::new();
    for order in orders {
        match order.await.unwrap() {
            (StatusCode::CREATED, order) => created.push(order),
            (status, problem) => {
                assert_eq!(status, StatusCode::CONFLICT);
                assert_eq!(problem["code"], "request_in_progress");
            }
        }
    }
    assert!(!created.is_empty());
    assert!(
        created.iter().all(|order| *order == created[0]),
        "{created:?}"
    );
    assert_eq!(shop.stock("POT-001").await, (11, 1));
    let (_, page) = shop.get("/orders?limit=100").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 7);
}
