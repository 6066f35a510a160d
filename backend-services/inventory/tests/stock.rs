//! Inventory over a real socket.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test harness")]

use std::sync::Arc;

use chassis::{Client, Running, Settings};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

struct Inventory {
    client: Client,
    running: Running,
    _folder: TempDir,
}

impl Inventory {
    async fn start() -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let service = Settings::for_tests(folder.path());
        let running = inventory::start(inventory::Options { service })
            .await
            .unwrap();
        Arc::new(Self {
            client: Client::new().unwrap(),
            running,
            _folder: folder,
        })
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        read(self.client.get(self.url(path)).send().await.unwrap()).await
    }

    async fn put(&self, path: &str, body: Value) -> (StatusCode, Value) {
        read(
            self.client
                .put(self.url(path))
                .json(&body)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    async fn reserve(&self, id: Uuid, lines: &[(&str, u32)]) -> (StatusCode, Value) {
        let lines: Vec<_> = lines
            .iter()
            .map(|(sku, n)| json!({"sku": sku, "quantity": n}))
            .collect();
        self.put(
            &format!("/stock/reservations/{id}"),
            json!({ "lines": lines }),
        )
        .await
    }

    async fn release(&self, id: Uuid) -> StatusCode {
        let url = self.url(&format!("/stock/reservations/{id}"));
        self.client.delete(url).send().await.unwrap().status()
    }

    /// Available and reserved.
    async fn stock(&self, sku: &str) -> (u64, u64) {
        let (_, stock) = self.get(&format!("/stock/{sku}")).await;
        (
            stock["available"].as_u64().unwrap(),
            stock["reserved"].as_u64().unwrap(),
        )
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running.url())
    }
}

async fn read(response: Response) -> (StatusCode, Value) {
    (response.status(), response.json().await.unwrap())
}

#[tokio::test]
async fn stock_is_answered_in_the_agreed_shape() {
    let inventory = Inventory::start().await;
    let expected = json!({"sku": "TEA-001", "available": 120, "reserved": 0, "version": 1});
    assert_eq!(
        inventory.get("/stock/TEA-001").await,
        (StatusCode::OK, expected.clone())
    );
    assert_eq!(
        inventory.get("/stock/TEA-999").await.0,
        StatusCode::NOT_FOUND
    );

    let (_, page) = inventory.get("/stock?skus=TEA-001,TEA-999").await;
    assert_eq!(page, json!({"items": [expected], "next_cursor": null}));
    let (status, _) = inventory.get("/stock?limit=0").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn reserving_again_changes_nothing() {
    let inventory = Inventory::start().await;
    let id = Uuid::new_v4();
    let (status, reservation) = inventory
        .reserve(id, &[("TEA-001", 5), ("CUP-001", 1)])
        .await;
    assert_eq!(
        (status, &reservation["status"]),
        (StatusCode::CREATED, &json!("reserved"))
    );
    let (status, again) = inventory
        .reserve(id, &[("CUP-001", 1), ("TEA-001", 5)])
        .await;
    assert_eq!((status, again), (StatusCode::OK, reservation));
    assert_eq!(inventory.stock("TEA-001").await, (115, 5));

    let (status, problem) = inventory.reserve(id, &[("TEA-001", 6)]).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("reservation_differs"))
    );
}

#[tokio::test]
async fn a_reservation_is_all_or_nothing_and_names_what_is_short() {
    let inventory = Inventory::start().await;
    let (status, problem) = inventory
        .reserve(
            Uuid::new_v4(),
            &[("TEA-001", 5), ("POT-001", 13), ("CUP-001", 46)],
        )
        .await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("insufficient_stock"))
    );
    assert_eq!(problem["skus"], json!(["CUP-001", "POT-001"]));
    assert_eq!(inventory.stock("TEA-001").await, (120, 0));
}

#[tokio::test]
async fn odd_reservations_are_explained() {
    let inventory = Inventory::start().await;
    let id = Uuid::new_v4();
    for (lines, code) in [
        (vec![("TEA-999", 1)], "unknown_sku"),
        (vec![("TEA-001", 0)], "invalid_lines"),
        (vec![("TEA-001", 1), ("TEA-001", 1)], "invalid_lines"),
        (vec![], "invalid_lines"),
    ] {
        let (status, problem) = inventory.reserve(id, &lines).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{lines:?}");
        assert_eq!(problem["code"], code, "{lines:?}");
    }
    let negative = json!({"lines": [{"sku": "TEA-001", "quantity": -1}]});
    let (status, _) = inventory
        .put(&format!("/stock/reservations/{id}"), negative)
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_release_gives_the_stock_back_once() {
    let inventory = Inventory::start().await;
    let id = Uuid::new_v4();
    inventory.reserve(id, &[("POT-001", 4)]).await;
    assert_eq!(inventory.stock("POT-001").await, (8, 4));
    for _ in 0..2 {
        assert_eq!(inventory.release(id).await, StatusCode::NO_CONTENT);
        assert_eq!(inventory.stock("POT-001").await, (12, 0));
    }
}

#[tokio::test]
async fn a_release_that_overtakes_its_reserve_wins() {
    let inventory = Inventory::start().await;
    let id = Uuid::new_v4();
    assert_eq!(inventory.release(id).await, StatusCode::NO_CONTENT);
    let (status, problem) = inventory.reserve(id, &[("POT-001", 4)]).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("reservation_released"))
    );
    assert_eq!(inventory.stock("POT-001").await, (12, 0));
}

#[tokio::test]
async fn a_count_from_an_old_version_is_refused() {
    let inventory = Inventory::start().await;
    let count = json!({"available": 20, "version": 1});
    let (status, stock) = inventory.put("/stock/POT-001", count.clone()).await;
    assert_eq!((status, &stock["available"]), (StatusCode::OK, &json!(20)));
    let (status, problem) = inventory.put("/stock/POT-001", count).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("version_conflict"))
    );
    assert_eq!(problem["current_version"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reserves_and_releases_in_parallel_neither_make_nor_lose_stock() {
    let inventory = Inventory::start().await;
    let tasks: Vec<_> = (0..40_u128)
        .map(|n| {
            let (inventory, id) = (inventory.clone(), Uuid::from_u128(n));
            tokio::spawn(async move {
                let (status, _) = inventory.reserve(id, &[("POT-001", 1)]).await;
                if n % 2 == 0 {
                    assert_eq!(inventory.release(id).await, StatusCode::NO_CONTENT);
                }
                status == StatusCode::CREATED && n % 2 == 1
            })
        })
        .collect();
    let mut held = 0;
    for task in tasks {
        held += u64::from(task.await.unwrap());
    }
    assert_eq!(inventory.stock("POT-001").await, (12 - held, held));
}
