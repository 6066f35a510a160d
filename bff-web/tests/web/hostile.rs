//! Content and addresses that mean harm.

use std::time::{Duration, Instant};

use fake_shop::Answer;
use fake_shop::shop::{customer, order, product};
use serde_json::{Value, json};

use crate::bff::Bff;

const EVIL: &str = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>";

/// Everything that is text, is evil.
fn evil(value: &Value) -> Value {
    match value {
        Value::String(text) if text == "EUR" => value.clone(),
        Value::String(_) => json!(EVIL),
        Value::Array(items) => items.iter().map(evil).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), evil(member)))
            .collect(),
        _ => value.clone(),
    }
}

#[track_caller]
fn assert_harmless(page: &str) {
    assert!(!page.contains("<script"), "{page}");
    assert!(!page.contains("<img"), "{page}");
    assert!(
        page.contains("&lt;script&gt;"),
        "it is shown as text: {page}"
    );
}

#[tokio::test]
async fn what_services_say_is_shown_as_text() {
    let bff = Bff::start().await;
    let page = |item: Value| json!({ "items": [item], "next_cursor": null });
    for (path, value) in [
        ("/api/customers/1", evil(&customer())),
        ("/api/orders", page(evil(&order(1)))),
        ("/api/orders/1", evil(&order(1))),
        ("/api/stock/TEA-001", json!({ "sku": EVIL, "available": 1 })),
    ] {
        bff.shop.gateway.answers(path, Answer::Json(value));
    }
    for (path, value) in [
        ("/products", page(evil(&product()))),
        ("/products/TEA-001", evil(&product())),
    ] {
        bff.shop.catalog.answers(path, Answer::Json(value));
    }
    for path in [
        "/",
        "/catalogue",
        "/products/TEA-001",
        "/customers",
        "/orders",
        "/orders/1",
    ] {
        let response = bff.answer(path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_harmless(&response.text().await.unwrap());
    }
}

#[tokio::test]
async fn what_a_visitor_searches_for_is_shown_as_text() {
    let bff = Bff::start().await;
    let query: String = url::form_urlencoded::byte_serialize(EVIL.as_bytes()).collect();
    assert_harmless(&bff.text(&format!("/catalogue?q={query}")).await);
}

#[tokio::test]
async fn a_menu_title_is_shown_as_text() {
    let bff = Bff::start().await;
    let portal = json!({ "title": EVIL, "monolith": "/old/orders", "service": "/orders" });
    let group = json!({ "group": "orders", "stage": "monolith", "portal": portal });
    let menu = Answer::Json(json!({ "items": [group] }));
    bff.shop.admin.answers("/migrations", menu);
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let page = bff.text("/").await;
        if page.contains("alert(1)") {
            return assert_harmless(&page);
        }
        assert!(Instant::now() < deadline, "{page}");
    }
}
