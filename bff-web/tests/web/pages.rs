//! Pages for people.

use fake_shop::Answer;
use serde_json::json;

use crate::bff::Bff;

#[tokio::test]
async fn pages_say_what_they_may_load_and_need_no_script() {
    let bff = Bff::start().await;
    for path in [
        "/",
        "/catalogue",
        "/products/TEA-001",
        "/orders",
        "/nowhere",
    ] {
        let response = bff.answer(path).await;
        let headers = response.headers().clone();
        let policy = headers["content-security-policy"].to_str().unwrap();
        for rule in [
            "default-src 'self'",
            "frame-ancestors 'none'",
            "object-src 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(headers[name], value, "{path}");
        }
        assert!(headers.contains_key("strict-transport-security"), "{path}");
        let page = response.text().await.unwrap();
        assert!(
            !page.contains("<script") && !page.contains("style="),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_stylesheet_is_ours_and_may_be_kept() {
    let bff = Bff::start().await;
    let page = bff.text("/").await;
    let (_, rest) = page.split_once("rel=\"stylesheet\" href=\"").unwrap();
    let (url, _) = rest.split_once('"').unwrap();
    let response = bff.answer(url).await;
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-type"],
        "text/css; charset=utf-8"
    );
    let caching = response.headers()["cache-control"].to_str().unwrap();
    assert!(caching.contains("immutable"), "{caching}");
    assert_eq!(bff.answer("/web/assets/leaf.svg").await.status(), 200);
}

#[tokio::test]
async fn a_product_is_shown_with_its_stock_or_without() {
    let bff = Bff::start().await;
    let page = bff.text("/products/TEA-001").await;
    assert!(
        page.contains("120 in stock") && page.contains("4.50 EUR"),
        "{page}"
    );
    assert!(
        page.contains("&lt;b&gt;steamed"),
        "what comes from elsewhere is escaped"
    );
    bff.breaks("/api/stock/TEA-001", 503);
    let page = bff.text("/products/TEA-001").await;
    assert!(
        page.contains("Stock is not known") && page.contains("Green tea"),
        "{page}"
    );
}

#[tokio::test]
async fn a_product_that_is_none_is_a_page_with_404() {
    let bff = Bff::start().await;
    for path in [
        "/products/NONE",
        "/products/..%2Forders",
        "/products/x%3Fids=1",
        "/orders/x",
    ] {
        let response = bff.answer(path).await;
        assert_eq!(response.status(), 404, "{path}");
        let kind = response.headers()["content-type"].to_str().unwrap();
        assert!(kind.starts_with("text/html"), "{path}: {kind}");
    }
    let reached: Vec<_> = bff.shop.catalog.seen();
    assert!(
        reached
            .iter()
            .all(|request| request.path.starts_with("/products"))
    );
}

#[tokio::test]
async fn a_search_goes_to_the_catalogue_as_it_was_typed() {
    let bff = Bff::start().await;
    let page = bff
        .text("/catalogue?q=tea+%26+%22honey%22&category=tea")
        .await;
    let asked = bff.shop.catalog.seen_at("/products");
    let query = &asked.last().unwrap().query;
    assert_eq!(query, "limit=24&q=tea%20%26%20%22honey%22&category=tea");
    assert!(
        page.contains("value=\"tea &amp; &quot;honey&quot;\""),
        "{page}"
    );
    let more = json!({ "items": [], "next_cursor": "a/b" });
    bff.shop.catalog.answers("/products", Answer::Json(more));
    let page = bff.text("/catalogue").await;
    assert!(page.contains("/catalogue?cursor=a%2Fb"), "{page}");
}

#[tokio::test]
async fn own_pages_are_composed_from_the_api() {
    let bff = Bff::start().await;
    let page = bff.text("/customers").await;
    assert!(
        page.contains("Harbour Books") && page.contains("500.00 EUR"),
        "{page}"
    );
    let page = bff.text("/orders").await;
    assert!(
        page.contains("href=\"/orders/1\"") && page.contains("2026-01-15"),
        "{page}"
    );
    let page = bff.text("/orders/1").await;
    assert!(
        page.contains("Green tea") && page.contains("9.00 EUR"),
        "{page}"
    );
    assert_eq!(
        bff.answer("/orders/2").await.status(),
        404,
        "somebody else's"
    );
}

#[tokio::test]
async fn people_who_are_not_known_are_asked_to_sign_in_and_come_back() {
    let bff = Bff::start().await;
    let response = bff.anonymous("/orders?cursor=a").send().await.unwrap();
    assert_eq!(response.status(), 401);
    let page = response.text().await.unwrap();
    assert!(
        page.contains("/web/login?return_to=%2Forders%3Fcursor%3Da"),
        "{page}"
    );
    // A token that has ended on the way is no different.
    bff.breaks("/api/orders", 401);
    let response = bff.answer("/orders").await;
    assert_eq!(response.status(), 401);
    assert!(response.text().await.unwrap().contains("/web/login"));
}

#[tokio::test]
async fn a_page_that_cannot_be_made_says_so_and_no_more() {
    let bff = Bff::start().await;
    bff.breaks("/api/orders", 500);
    let response = bff.answer("/orders").await;
    assert_eq!(response.status(), 502);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let page = response.text().await.unwrap();
    assert!(
        page.contains("cannot be shown") && !page.contains("inside text"),
        "{page}"
    );
}
