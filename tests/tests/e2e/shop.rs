//! The whole shop behind the real `routes.yaml`: what the demo shows.

use serde_json::{Value, json};
use tests::{PATIENCE, ReplyExt as _, Shop, eventually};

use crate::BINARIES;

#[tokio::test]
async fn a_token_of_the_shops_provider_opens_the_api_and_both_bffs() {
    let shop = Shop::start(BINARIES).await;
    let gateway = &shop.gateway;
    let reply = gateway.get("/api/customers/1").await;
    assert!(
        reply.header("www-authenticate").starts_with("Bearer"),
        "{reply:?}"
    );
    reply.expect(401);
    assert_eq!(
        shop.get("/api/customers/1")
            .reply()
            .await
            .expect(200)
            .json()["id"],
        1
    );

    gateway.get("/mobile/home").await.expect(401);
    for path in ["/web/home", "/mobile/home"] {
        let reply = shop.get(path).reply().await.expect(200);
        let body = reply.json();
        let data = body["data"].as_object().unwrap();
        assert!(
            data.len() >= 2 && data.values().all(|part| !part.is_null()),
            "{path}: {reply:#?}"
        );
    }
    let page = gateway.get("/").await.expect(200);
    assert!(
        page.header("content-type").starts_with("text/html"),
        "{page:?}"
    );
    assert!(page.body.contains("Green tea"), "{}", page.body);
    gateway.get("/old/customers").await.expect(200);
    gateway.get("/api/products?category=tea").await.expect(200);
    gateway
        .get("/nowhere")
        .await
        .expect_problem(404, "no_route");
}

#[tokio::test]
async fn monolith_and_services_answer_alike_and_the_portal_follows_the_switch() {
    let mut shop = Shop::start(BINARIES).await;
    let paths = [
        "/api/customers/1",
        "/api/orders/1",
        "/api/customers/999",
        "/api/orders/999",
    ];
    let ask = async |shop: &Shop| {
        let mut answers = Vec::new();
        for path in paths {
            let reply = shop.get(path).reply().await;
            let served_by = reply.served_by().to_owned();
            let mut body = reply.json();
            if reply.status.is_client_error() {
                // The words of an error may differ, its kind may not.
                body = json!({ "status": body["status"] });
            }
            answers.push((reply.status.as_u16(), body, served_by));
        }
        answers
    };
    let menu = async |shop: &Shop| shop.gateway.get("/").await.expect(200).body;

    let before = ask(&shop).await;
    assert_eq!(before[0].2, "legacy-adapter");
    assert_eq!(before[1].2, "legacy");
    assert!(menu(&shop).await.contains("/old/customers"));
    shop.switch("customers", "service").await;
    shop.switch("orders", "service").await;
    let after = ask(&shop).await;
    assert_eq!(
        (after[0].2.as_str(), after[1].2.as_str()),
        ("customer", "order")
    );
    for (path, (old, new)) in paths.iter().zip(before.iter().zip(&after)) {
        assert_eq!((old.0, &old.1), (new.0, &new.1), "{path}");
    }
    eventually("the portal to follow", PATIENCE, async || {
        let page = menu(&shop).await;
        (!page.contains("/old/customers") && page.contains("\"/customers\"")).then_some(())
    })
    .await;
    shop.switch("orders", "monolith").await;
    assert_eq!(
        shop.get("/api/orders/1")
            .reply()
            .await
            .expect(200)
            .served_by(),
        "legacy"
    );
}

async fn place(shop: &Shop, key: &str, body: &Value) -> tests::Reply {
    let url = shop.gateway.https("/api/orders");
    let request = shop.gateway.client().post(url).bearer_auth(&shop.token);
    request
        .header("idempotency-key", key)
        .json(body)
        .reply()
        .await
}

#[tokio::test]
async fn an_order_is_placed_once_priced_by_the_catalogue_and_bounded_by_stock() {
    let mut shop = Shop::start(BINARIES).await;
    shop.switch("orders", "service").await;
    let order = |quantity: u32| json!({ "customer_id": 1, "lines": [{ "sku": "POT-001", "quantity": quantity }] });
    let reply = place(&shop, "e2e-1", &order(2)).await.expect(201);
    assert!(
        reply.header("location").starts_with("/api/orders/"),
        "{reply:?}"
    );
    let placed = reply.json();
    assert_eq!(placed["total"]["cents"], 2 * 4900, "{placed}");
    let again = place(&shop, "e2e-1", &order(2)).await;
    assert_eq!(
        again.json()["id"],
        placed["id"],
        "the same key is the same order"
    );
    place(&shop, "e2e-1", &order(3)).await.expect(422);
    place(&shop, "e2e-2", &order(1000))
        .await
        .expect_problem(409, "insufficient_stock");

    let stock = shop
        .get("/api/stock/POT-001")
        .reply()
        .await
        .expect(200)
        .json();
    assert_eq!(stock["available"], 10, "{stock}");
    let id = placed["id"].as_u64().unwrap();
    let read = shop
        .get(&format!("/api/orders/{id}"))
        .reply()
        .await
        .expect(200)
        .json();
    assert_eq!(read["total"], placed["total"]);
}

#[tokio::test]
async fn with_a_part_down_a_screen_is_answered_in_part_and_says_so() {
    let mut shop = Shop::start(BINARIES).await;
    for catalog in &mut shop.catalogs {
        catalog.process.kill().await;
    }
    let reply = shop.get("/web/home").reply().await.expect(200);
    assert!(
        reply.header("cache-control").contains("no-store"),
        "{reply:?}"
    );
    let body = reply.json();
    let parts = body["parts"].as_object().unwrap();
    assert_eq!(parts.len(), 1, "{body}");
    let (name, part) = parts.iter().next().unwrap();
    assert!(body["data"][name].is_null(), "{body}");
    assert!(part["state"].is_string(), "{body}");
    assert!(!body["data"]["customer"].is_null(), "{body}");
    assert!(!shop.gateway.get("/").await.expect(200).body.is_empty());
}
