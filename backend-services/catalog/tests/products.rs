//! The catalogue over a real socket.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test harness")]

use chassis::{Client, Running, Settings};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

struct Catalog {
    client: Client,
    running: Running,
    _folder: TempDir,
}

impl Catalog {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = Settings::for_tests(folder.path());
        let running = catalog::start(catalog::Options { service }).await.unwrap();
        Self {
            client: Client::new().unwrap(),
            running,
            _folder: folder,
        }
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.running.url());
        let response = self.client.get(url).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    async fn skus(&self, query: &str) -> Vec<String> {
        let (status, page) = self.get(&format!("/products?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{query}: {page}");
        let items = page["items"].as_array().unwrap();
        items
            .iter()
            .map(|product| product["sku"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn a_product_is_answered_in_the_agreed_shape() {
    let catalog = Catalog::start().await;
    let expected = json!({
        "sku": "TEA-001", "name": "Green tea, 100 g", "description": "Loose leaf, steamed.",
        "category": "tea", "price": {"cents": 450, "currency": "EUR"}, "version": 1,
    });
    assert_eq!(
        catalog.get("/products/TEA-001").await,
        (StatusCode::OK, expected)
    );
    let (status, problem) = catalog.get("/products/TEA-999").await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::NOT_FOUND, &json!("not_found"))
    );
}

#[tokio::test]
async fn products_are_found_by_word_category_and_id() {
    let catalog = Catalog::start().await;
    assert_eq!(
        catalog.skus("category=tea").await,
        ["TEA-001", "TEA-002", "TEA-003"]
    );
    assert_eq!(catalog.skus("q=BEANS").await, ["COF-001", "COF-002"]);
    assert_eq!(catalog.skus("q=beans+decaf").await, ["COF-002"]);
    assert_eq!(catalog.skus("q=loose&category=coffee").await, [""; 0]);
    assert_eq!(
        catalog.skus("ids=TEA-002,NONE,COF-001").await,
        ["COF-001", "TEA-002"]
    );
    assert_eq!(catalog.skus("ids=").await, [""; 0]);
    assert_eq!(
        catalog.skus("q=%25").await,
        [""; 0],
        "a wildcard is a character like others"
    );
}

#[tokio::test]
async fn the_list_is_walked_by_cursor() {
    let catalog = Catalog::start().await;
    let (status, first) = catalog.get("/products?limit=3").await;
    assert_eq!(status, StatusCode::OK);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = catalog.skus(&format!("limit=100&cursor={cursor}")).await;
    assert_eq!(rest.len() + 3, catalog.skus("limit=100").await.len());
    assert!(!rest.contains(&first["items"][2]["sku"].as_str().unwrap().to_owned()));
}

#[tokio::test]
async fn a_search_that_cannot_be_is_explained() {
    let catalog = Catalog::start().await;
    for query in [
        "limit=0",
        "limit=101",
        "cursor=garbage",
        &format!("q={}", "x".repeat(201)),
    ] {
        let (status, problem) = catalog.get(&format!("/products?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(problem["code"], "bad_request", "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_start_together_on_one_database() {
    let folder = tempfile::tempdir().unwrap();
    let options = || catalog::Options {
        service: Settings::for_tests(folder.path()),
    };
    let (one, other) = tokio::join!(
        tokio::spawn(catalog::start(options())),
        tokio::spawn(catalog::start(options()))
    );
    for running in [one.unwrap().unwrap(), other.unwrap().unwrap()] {
        let url = format!("{}/products/TEA-001", running.url());
        let response = Client::new().unwrap().get(url).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}
