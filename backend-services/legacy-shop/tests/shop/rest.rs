use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::Shop;

const CUSTOMERS: &str = include_str!("../../../shop/seed/customers.json");
const PRODUCTS: &str = include_str!("../../../shop/seed/products.json");

fn order(sku: &str, quantity: u32) -> Value {
    json!({ "customer_id": 1, "lines": [{ "sku": sku, "quantity": quantity }] })
}

async fn keyed(shop: &Shop, key: &'static str, body: &Value) -> (StatusCode, Value) {
    let request = shop.client.post(shop.url("/api/orders")).json(body);
    let response = request.header("idempotency-key", key).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

/// The most that can be ordered of a product, found by ordering.
async fn available(shop: &Shop, sku: &str, at_most: u32) -> u32 {
    let mut taken = Vec::new();
    for _ in 0..at_most {
        match shop.post("/api/orders", &order(sku, 1)).await {
            (StatusCode::CREATED, order) => taken.push(order),
            _ => break,
        }
    }
    for order in &taken {
        let path = format!("/api/orders/{}/cancel", order["id"]);
        let (status, _) = shop.post(&path, &json!({ "version": 1 })).await;
        assert_eq!(status, 200);
    }
    u32::try_from(taken.len()).unwrap()
}

#[tokio::test]
async fn a_seeded_order_has_the_agreed_shape() {
    let shop = Shop::start().await;
    let line = |sku, name, quantity: u32, cents: u32| {
        json!({
            "sku": sku, "name": name, "quantity": quantity,
            "unit_price": {"cents": cents, "currency": "EUR"},
        })
    };
    let expected = json!({
        "id": 1, "customer_id": 1, "status": "approved", "placed_at": "2026-01-15T09:30:00Z",
        "lines": [line("TEA-001", "Green tea, 100 g", 2, 450), line("CUP-001", "Stoneware cup", 4, 1200)],
        "total": {"cents": 5700, "currency": "EUR"}, "version": 1,
    });
    assert_eq!(shop.get("/api/orders/1").await, (StatusCode::OK, expected));
}

#[tokio::test]
async fn every_seeded_product_is_sold() {
    let shop = Shop::start().await;
    let (_, page) = shop.get("/api/products?limit=100").await;
    let mut seeds: Vec<Value> = serde_json::from_str(PRODUCTS).unwrap();
    seeds.sort_by_key(|seed| seed["sku"].as_str().unwrap().to_owned());
    let expected = seeds.iter().map(|seed| {
        json!({
            "sku": seed["sku"], "name": seed["name"], "description": seed["description"],
            "category": seed["category"], "version": 1,
            "price": {"cents": seed["price_cents"], "currency": "EUR"},
        })
    });
    assert_eq!(page["items"], expected.collect::<Value>());
    let (_, one) = shop.get("/api/products/TEA-001").await;
    assert_eq!(one["name"], "Green tea, 100 g");
    let (_, found) = shop.get("/api/products?q=tea+leaf&category=tea").await;
    assert_eq!(found["items"].as_array().unwrap().len(), 2);
    assert_eq!(shop.get("/api/products/X").await.0, 404);
    assert_eq!(
        serde_json::from_str::<Vec<Value>>(CUSTOMERS).unwrap().len(),
        5
    );
}

#[tokio::test]
async fn orders_are_listed_newest_first_and_by_customer() {
    let shop = Shop::start().await;
    let ids = |page: &Value| -> Vec<i64> {
        let items = page["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["id"].as_i64().unwrap())
            .collect()
    };
    let (_, first) = shop.get("/api/orders?customer_id=1&limit=2").await;
    assert_eq!(ids(&first), [6, 3]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let (_, second) = shop
        .get(&format!(
            "/api/orders?customer_id=1&limit=2&cursor={cursor}"
        ))
        .await;
    assert_eq!(
        (ids(&second), &second["next_cursor"]),
        (vec![1], &Value::Null)
    );
    assert_eq!(ids(&shop.get("/api/orders").await.1), [6, 5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn an_order_takes_stock_and_its_cancellation_puts_it_back() {
    let shop = Shop::start().await;
    let request = shop.client.post(shop.url("/api/orders"));
    let response = request.json(&order("POT-001", 10)).send().await.unwrap();
    assert_eq!(response.status(), 201);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let placed: Value = response.json().await.unwrap();
    assert_eq!(location, format!("/api/orders/{}", placed["id"]));
    assert_eq!(shop.get(&location).await.1, placed);

    let (status, problem) = shop.post("/api/orders", &order("POT-001", 3)).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (409, &json!("insufficient_stock"))
    );
    assert_eq!(problem["skus"], json!(["POT-001"]));

    let cancel = format!("{location}/cancel");
    let (status, cancelled) = shop.post(&cancel, &json!({ "version": 1 })).await;
    assert_eq!(
        (status.as_u16(), &cancelled["status"]),
        (200, &json!("cancelled"))
    );
    assert_eq!(available(&shop, "POT-001", 20).await, 12);

    let (status, problem) = shop.post(&cancel, &json!({ "version": 1 })).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (409, &json!("version_conflict"))
    );
    let (status, problem) = shop.post(&cancel, &json!({ "version": 2 })).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (409, &json!("order_not_cancellable"))
    );
}

#[tokio::test]
async fn an_order_that_is_short_of_one_product_takes_none_of_the_others() {
    let shop = Shop::start().await;
    let lines = json!([{ "sku": "POT-001", "quantity": 5 }, { "sku": "CUP-002", "quantity": 31 }]);
    let body = json!({ "customer_id": 1, "lines": lines });
    let (status, problem) = shop.post("/api/orders", &body).await;
    assert_eq!(
        (status.as_u16(), &problem["skus"]),
        (409, &json!(["CUP-002"]))
    );
    assert_eq!(available(&shop, "POT-001", 20).await, 12);
}

#[tokio::test]
async fn an_order_of_long_ago_holds_no_stock_that_its_cancellation_could_put_back() {
    let shop = Shop::start().await;
    let (status, _) = shop
        .post("/api/orders/5/cancel", &json!({ "version": 1 }))
        .await;
    assert_eq!(status, 200);
    let (status, _) = shop.post("/api/orders", &order("COF-002", 26)).await;
    assert_eq!(
        status, 409,
        "25 are in stock, the 2 of the old order are not"
    );
}

#[tokio::test]
async fn many_who_want_the_last_ones_get_no_more_than_there_are() {
    let shop = Shop::start().await;
    let buyers: Vec<_> = (0..20)
        .map(|_| {
            let request = shop.client.post(shop.url("/api/orders"));
            tokio::spawn(request.json(&order("POT-001", 1)).send())
        })
        .collect();
    let mut placed = 0;
    for buyer in buyers {
        let status = buyer.await.unwrap().unwrap().status();
        assert!(status == 201 || status == 409, "{status}");
        placed += usize::from(status == 201);
    }
    assert_eq!(placed, 12);
}

#[tokio::test]
async fn the_same_key_is_the_same_order() {
    let shop = Shop::start().await;
    let first = keyed(&shop, "k-1", &order("POT-001", 12)).await;
    assert_eq!(first.0, 201);
    let cancel = format!("/api/orders/{}/cancel", first.1["id"]);
    assert_eq!(keyed(&shop, "\"k-1\"", &order("POT-001", 12)).await, first);
    shop.post(&cancel, &json!({ "version": 1 })).await;
    assert_eq!(keyed(&shop, "k-1", &order("POT-001", 12)).await, first);

    let (status, problem) = keyed(&shop, "k-1", &order("POT-001", 1)).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (422, &json!("idempotency_key_reused"))
    );
    let (status, problem) = keyed(&shop, "a b", &order("POT-001", 1)).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (400, &json!("idempotency_key_malformed"))
    );
}

#[tokio::test]
async fn an_order_that_makes_no_sense_is_explained() {
    let shop = Shop::start().await;
    let mut stranger = order("POT-001", 1);
    stranger["customer_id"] = json!(99);
    for (body, code) in [
        (stranger, "unknown_customer"),
        (order("XXX-001", 1), "unknown_sku"),
        (order("POT-001", 0), "invalid_order"),
        (json!({ "customer_id": 1, "lines": [] }), "invalid_order"),
        (json!({ "customer_id": "x" }), "unprocessable"),
    ] {
        let (status, problem) = shop.post("/api/orders", &body).await;
        assert_eq!((status.as_u16(), &problem["code"]), (422, &json!(code)));
    }
}

#[tokio::test]
async fn whatever_else_is_asked_for_is_a_problem() {
    let shop = Shop::start().await;
    for path in [
        "/api/orders/99",
        "/api/orders/x",
        "/api/customers",
        "/api/x/y",
        "/api",
    ] {
        let (status, problem) = shop.get(path).await;
        assert_eq!(
            (status.as_u16(), &problem["code"]),
            (404, &json!("not_found")),
            "{path}"
        );
    }
    assert_eq!(shop.get("/api/orders?limit=0").await.0, 400);
    let request = shop.client.delete(shop.url("/api/orders/1"));
    assert_eq!(request.send().await.unwrap().status(), 405);
    assert_eq!(shop.get("/readyz").await.0, 200);
}
