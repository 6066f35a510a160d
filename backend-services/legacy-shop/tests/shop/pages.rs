use crate::harness::{Shop, request};

#[tokio::test]
async fn the_old_pages_show_what_the_shop_has() {
    let shop = Shop::start().await;
    for (path, wanted) in [
        ("/old", "Welcome"),
        ("/old/", "/old/customers"),
        ("/old/customers", "Mill Lane Café"),
        ("/old/customers/1", "orders@harbour-books.example"),
        ("/old/customers/5", "None yet."),
        ("/old/orders", "Corner Bakery"),
        ("/old/orders?from=3", "57.00 EUR"),
        ("/old/orders/1", "Stoneware cup"),
    ] {
        let (status, page) = shop.page(path).await;
        assert_eq!(status, 200, "{path}");
        for text in [wanted, "<!DOCTYPE html>", "served by the monolith"] {
            assert!(page.contains(text), "{path} lacks {text}: {page}");
        }
    }
    assert!(
        !shop
            .page("/old/orders?from=3")
            .await
            .1
            .contains("/old/orders/3")
    );
}

#[tokio::test]
async fn what_is_not_there_is_a_page_too() {
    let shop = Shop::start().await;
    for path in [
        "/old/x",
        "/old/customers/99",
        "/old/orders/x",
        "/old/orders/1/y",
    ] {
        let response = shop.fetch(path).await;
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(
            response.headers()["content-type"],
            "text/html; charset=utf-8"
        );
        assert!(response.text().await.unwrap().contains("Not found"));
    }
}

#[tokio::test]
async fn a_hostile_name_is_shown_and_not_run() {
    let shop = Shop::start().await;
    let read = shop
        .call(request("GetCustomer").with_field("CustNo", 1))
        .await;
    let mut customer = read.required_child("Customer").unwrap().clone();
    for field in &mut customer.children {
        if field.name == "CustName" {
            field.text = "<script>alert(1)</script>".into();
        }
    }
    shop.call(request("UpdateCustomer").with(customer)).await;
    for path in [
        "/old/customers",
        "/old/customers/1",
        "/old/orders",
        "/old/orders/1",
    ] {
        let (_, page) = shop.page(path).await;
        assert!(!page.contains("<script"), "{path}");
        if path != "/old/customers/1" {
            assert!(page.contains("&lt;script&gt;alert(1)"), "{path}");
        }
    }
}

#[tokio::test]
async fn a_page_may_load_its_style_and_nothing_else() {
    let shop = Shop::start().await;
    let page = shop.fetch("/old/customers").await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'"));
    let style = shop.fetch("/old/style.css").await;
    assert_eq!(style.status(), 200);
    assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
}
