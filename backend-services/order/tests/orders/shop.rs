//! The three services of a test, and how to talk to them.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use chassis::{Client, Running, Settings};
use reqwest::Response;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long something that happens in the background may take in a test.
const PATIENCE: Duration = Duration::from_secs(20);

/// Catalogue, inventory and order on databases of their own.
pub(crate) struct Shop {
    pub(crate) client: Client,
    pub(crate) order: Running,
    pub(crate) inventory: Running,
    pub(crate) catalog: Running,
    pub(crate) folder: TempDir,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalog = start_catalog(folder.path()).await;
        let inventory = start_inventory(folder.path(), None).await;
        let order = start_order(folder.path(), &inventory.url(), &catalog.url()).await;
        Self {
            client: Client::new().unwrap(),
            order,
            inventory,
            catalog,
            folder,
        }
    }

    /// The same shop, with something else where order believes inventory to be.
    pub(crate) async fn with_inventory_at(self, url: &str) -> Self {
        self.order.shutdown().await;
        let order = start_order(self.folder.path(), url, &self.catalog.url()).await;
        Self { order, ..self }
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        read(self.client.get(self.url(path)).send().await.unwrap()).await
    }

    pub(crate) async fn place(&self, key: &str, lines: &[(&str, u32)]) -> (StatusCode, Value) {
        read(self.post_order(key, &order_of(lines)).await).await
    }

    pub(crate) async fn post_order(&self, key: &str, body: &Value) -> Response {
        let request = self
            .client
            .post(self.url("/orders"))
            .header("Idempotency-Key", key);
        request.json(body).send().await.unwrap()
    }

    pub(crate) async fn cancel(&self, id: &Value, version: i64) -> (StatusCode, Value) {
        let url = self.url(&format!("/orders/{id}/cancel"));
        let body = json!({ "version": version });
        read(self.client.post(url).json(&body).send().await.unwrap()).await
    }

    /// Available and reserved, as inventory says itself.
    pub(crate) async fn stock(&self, sku: &str) -> (u64, u64) {
        let url = format!("{}/stock/{sku}", self.inventory.url());
        let (_, stock) = read(self.client.get(url).send().await.unwrap()).await;
        (
            stock["available"].as_u64().unwrap(),
            stock["reserved"].as_u64().unwrap(),
        )
    }

    #[track_caller]
    pub(crate) fn eventually_stock(
        &self,
        sku: &'static str,
        expected: (u64, u64),
    ) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let started = Instant::now();
            loop {
                let stock = self.stock(sku).await;
                if stock == expected {
                    return;
                }
                assert!(
                    started.elapsed() < PATIENCE,
                    "{sku} is still {stock:?} ({caller})"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Asks again while it is refused; the key makes sure that it becomes one order.
    pub(crate) async fn eventually_placed(&self, key: &str, lines: &[(&str, u32)]) {
        let started = Instant::now();
        loop {
            let (status, problem) = self.place(key, lines).await;
            if status == StatusCode::CREATED {
                return;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{key} is still refused: {problem}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.order.url())
    }
}

pub(crate) async fn start_catalog(folder: &Path) -> Running {
    catalog::start(catalog::Options {
        service: Settings::for_tests(folder),
    })
    .await
    .unwrap()
}

/// Inventory on a free port, or back again where it was.
pub(crate) async fn start_inventory(folder: &Path, listen: Option<SocketAddr>) -> Running {
    let mut service = Settings::for_tests(folder);
    service.listen = listen.unwrap_or(service.listen);
    inventory::start(inventory::Options { service })
        .await
        .unwrap()
}

pub(crate) async fn start_order(folder: &Path, inventory: &str, catalog: &str) -> Running {
    let options = order::Options {
        service: Settings::for_tests(folder),
        inventory_url: Some(inventory.to_owned()),
        catalog_url: Some(catalog.to_owned()),
        sweep_every_ms: 50,
        pending_timeout_s: 60,
    };
    order::start(options).await.unwrap()
}

pub(crate) fn order_of(lines: &[(&str, u32)]) -> Value {
    let lines: Vec<_> = lines
        .iter()
        .map(|(sku, n)| json!({"sku": sku, "quantity": n}))
        .collect();
    json!({ "customer_id": 1, "lines": lines })
}

pub(crate) async fn read(response: Response) -> (StatusCode, Value) {
    (response.status(), response.json().await.unwrap())
}
