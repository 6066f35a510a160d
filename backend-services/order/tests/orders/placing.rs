//! Placing, reading and cancelling when all goes well, and what is refused.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::shop::{Shop, order_of, read};

#[tokio::test]
async fn a_placed_order_has_the_catalogues_prices_and_holds_its_stock() {
    let shop = Shop::open().await;
    let mut body = order_of(&[("TEA-001", 2), ("CUP-001", 4)]);
    body["lines"][0]["unit_price"] = json!({"cents": 1, "currency": "EUR"});
    let response = shop.post_order("key-1", &body).await;
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let (status, order) = read(response).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(location, format!("/orders/{}", order["id"]));
    assert_eq!(
        (&order["status"], &order["version"]),
        (&json!("approved"), &json!(1))
    );
    assert_eq!(order["total"], json!({"cents": 5700, "currency": "EUR"}));
    assert_eq!(
        order["lines"][0],
        json!({
            "sku": "TEA-001", "name": "Green tea, 100 g", "quantity": 2,
            "unit_price": {"cents": 450, "currency": "EUR"},
        })
    );
    assert_eq!(shop.get(&location).await, (StatusCode::OK, order));
    assert_eq!(shop.stock("TEA-001").await, (118, 2));
    assert_eq!(shop.stock("CUP-001").await, (41, 4));
}

#[tokio::test]
async fn the_seeded_orders_are_there_in_the_agreed_shape() {
    let shop = Shop::open().await;
    let (status, order) = shop.get("/orders/1").await;
    assert_eq!(status, StatusCode::OK);
    let expected = json!({
        "id": 1, "customer_id": 1, "status": "approved", "placed_at": "2026-01-15T09:30:00Z",
        "lines": [
            {"sku": "TEA-001", "name": "Green tea, 100 g", "quantity": 2,
             "unit_price": {"cents": 450, "currency": "EUR"}},
            {"sku": "CUP-001", "name": "Stoneware cup", "quantity": 4,
             "unit_price": {"cents": 1200, "currency": "EUR"}},
        ],
        "total": {"cents": 5700, "currency": "EUR"}, "version": 1,
    });
    assert_eq!(order, expected);
}

#[tokio::test]
async fn a_customers_orders_are_walked_from_the_newest() {
    let shop = Shop::open().await;
    let (_, placed) = shop.place("key-1", &[("TEA-001", 1)]).await;
    let ids = |page: &Value| -> Vec<Value> {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|order| order["id"].clone())
            .collect()
    };
    let (_, first) = shop.get("/orders?customer_id=1&limit=2").await;
    assert_eq!(ids(&first), [placed["id"].clone(), json!(6)]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let (_, rest) = shop
        .get(&format!("/orders?customer_id=1&limit=2&cursor={cursor}"))
        .await;
    assert_eq!(ids(&rest), [json!(3), json!(1)]);
    assert_eq!(rest["next_cursor"], Value::Null);
    assert_eq!(rest["items"][1]["lines"].as_array().unwrap().len(), 2);

    for query in ["limit=0", "limit=101", "cursor=garbage", "customer_id=abc"] {
        let (status, _) = shop.get(&format!("/orders?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
    }
    assert_eq!(shop.get("/orders/999").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_cannot_be_ordered_is_explained_and_holds_nothing() {
    let shop = Shop::open().await;
    let (status, problem) = shop.place("k1", &[("TEA-001", 1), ("TEA-999", 1)]).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("unknown_sku"))
    );
    assert_eq!(problem["skus"], json!(["TEA-999"]));

    let (status, problem) = shop.place("k2", &[("TEA-001", 1), ("POT-001", 13)]).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("insufficient_stock"))
    );
    assert_eq!(problem["skus"], json!(["POT-001"]));

    for lines in [
        &[][..],
        &[("TEA-001", 0)],
        &[("TEA-001", 1), ("TEA-001", 1)],
    ] {
        let (status, problem) = shop.place("k3", lines).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{lines:?}");
        assert_eq!(problem["code"], "invalid_order", "{lines:?}");
    }
    assert_eq!(shop.stock("TEA-001").await, (120, 0));
}

#[tokio::test]
async fn a_cancelled_order_gives_its_stock_back() {
    let shop = Shop::open().await;
    let (_, order) = shop.place("key-1", &[("POT-001", 5)]).await;
    assert_eq!(shop.stock("POT-001").await, (7, 5));

    let (status, problem) = shop.cancel(&order["id"], 0).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("version_conflict"))
    );
    assert_eq!(problem["current_version"], 1);

    let (status, cancelled) = shop.cancel(&order["id"], 1).await;
    assert_eq!(
        (status, &cancelled["status"]),
        (StatusCode::OK, &json!("cancelled"))
    );
    assert_eq!(cancelled["version"], 2);
    assert_eq!(shop.stock("POT-001").await, (12, 0));

    let (status, problem) = shop.cancel(&order["id"], 2).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("order_not_cancellable"))
    );
    assert_eq!(shop.cancel(&json!(999), 1).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_orders_at_once_for_ten_in_stock_never_oversell() {
    let shop = Arc::new(Shop::open().await);
    let url = format!("{}/stock/POT-001", shop.inventory.url());
    let count = json!({"available": 10, "version": 1});
    assert!(
        shop.client
            .put(url)
            .json(&count)
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );

    let orders: Vec<_> = (0..50)
        .map(|n| {
            let shop = shop.clone();
            tokio::spawn(async move { shop.place(&format!("key-{n}"), &[("POT-001", 1)]).await })
        })
        .collect();
    let mut approved = 0;
    for order in orders {
        match order.await.unwrap() {
            (StatusCode::CREATED, _) => approved += 1,
            (status, problem) => {
                assert_eq!(
                    (status, &problem["code"]),
                    (StatusCode::CONFLICT, &json!("insufficient_stock"))
                );
            }
        }
    }
    assert_eq!(approved, 10);
    assert_eq!(shop.stock("POT-001").await, (0, 10));
}
