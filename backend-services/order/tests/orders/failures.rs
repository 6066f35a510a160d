//! Peers that are gone, slow, or fail after the deed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use chassis::{Client, Settings};
use serde_json::{Value, json};

use crate::shop::{Shop, order_of, read, start_inventory, start_order};

/// What a [`Front`] does to a reserve once inventory has carried it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Says that it failed.
    Deny,
    /// Never says anything.
    Hang,
}

/// Something between order and inventory that loses the answers to reserves.
#[derive(Debug)]
struct Front {
    inventory: String,
    fault: Fault,
    broken: AtomicBool,
    client: Client,
}

impl Front {
    async fn before(inventory: &str, fault: Fault) -> (Arc<Self>, String) {
        let front = Arc::new(Self {
            inventory: inventory.to_owned(),
            fault,
            broken: AtomicBool::new(true),
            client: Client::new().unwrap(),
        });
        let routes = Router::new().fallback(forward).with_state(front.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (front, url)
    }
}

async fn forward(
    State(front): State<Arc<Front>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Bytes) {
    let reserves = method == Method::PUT;
    let mut request = front
        .client
        .request(method, format!("{}{uri}", front.inventory))
        .body(body);
    if let Some(content_type) = headers.get("content-type") {
        request = request.header("content-type", content_type);
    }
    let response = request.send().await.unwrap();
    let answer = (response.status(), response.bytes().await.unwrap());
    if !reserves || !front.broken.load(Ordering::SeqCst) {
        return answer;
    }
    match front.fault {
        Fault::Deny => (StatusCode::INTERNAL_SERVER_ERROR, Bytes::new()),
        Fault::Hang => std::future::pending().await,
    }
}

#[track_caller]
fn assert_problem((status, problem): (StatusCode, Value), expected: StatusCode, code: &str) {
    assert_eq!(
        (status, &problem["code"]),
        (expected, &json!(code)),
        "{problem}"
    );
}

#[tokio::test]
async fn without_inventory_no_order_is_placed_and_none_holds_stock_once_it_is_back() {
    let shop = Shop::open().await;
    let (_, placed) = shop.place("key-1", &[("POT-001", 2)]).await;
    let Shop {
        inventory,
        client,
        order,
        catalog,
        folder,
    } = shop;
    let addr = inventory.addr;
    inventory.shutdown().await;
    let shop = Shop {
        inventory: start_inventory(folder.path(), None).await,
        client,
        order,
        catalog,
        folder,
    };

    let refused = shop.place("key-2", &[("POT-001", 3)]).await;
    assert_problem(
        refused,
        StatusCode::SERVICE_UNAVAILABLE,
        "inventory_unavailable",
    );
    // Reading and cancelling go on, and so does the service as a whole.
    assert_eq!(shop.get("/readyz").await.0, StatusCode::OK);
    assert_eq!(shop.cancel(&placed["id"], 1).await.0, StatusCode::OK);
    let (_, page) = shop.get("/orders?limit=1").await;
    assert_eq!(page["items"][0]["status"], "rejected");
    assert_eq!(
        shop.stock("POT-001").await,
        (10, 2),
        "nobody can tell inventory yet"
    );

    let _back = start_inventory(shop.folder.path(), Some(addr)).await;
    shop.eventually_stock("POT-001", (12, 0)).await;
    // The key of the failed order is free: a retry places it.
    assert_eq!(
        shop.place("key-2", &[("POT-001", 3)]).await.0,
        StatusCode::CREATED
    );
    assert_eq!(shop.stock("POT-001").await, (9, 3));
}

#[tokio::test]
async fn stock_that_was_reserved_although_the_answer_says_it_failed_is_given_back() {
    let shop = Shop::open().await;
    let (front, url) = Front::before(&shop.inventory.url(), Fault::Deny).await;
    let shop = shop.with_inventory_at(&url).await;
    let failed = shop.place("key-1", &[("POT-001", 5)]).await;
    assert_problem(
        failed,
        StatusCode::SERVICE_UNAVAILABLE,
        "inventory_unavailable",
    );
    shop.eventually_stock("POT-001", (12, 0)).await;

    front.broken.store(false, Ordering::SeqCst);
    assert_eq!(
        shop.place("key-1", &[("POT-001", 5)]).await.0,
        StatusCode::CREATED
    );
    assert_eq!(shop.stock("POT-001").await, (7, 5));
}

#[tokio::test]
async fn a_deadline_that_passes_while_reserving_leaves_no_stock_held_and_the_key_free() {
    let shop = Shop::open().await;
    let (front, url) = Front::before(&shop.inventory.url(), Fault::Hang).await;
    let shop = shop.with_inventory_at(&url).await;
    // A plain client: the shop's own would announce a deadline of its own beside this one.
    let request = reqwest::Client::new()
        .post(shop.url("/orders"))
        .header("Idempotency-Key", "key-1");
    let request = request.header("X-Request-Deadline-Ms", "400");
    let (status, _) = read(
        request
            .json(&order_of(&[("POT-001", 5)]))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert!(
        [StatusCode::GATEWAY_TIMEOUT, StatusCode::SERVICE_UNAVAILABLE].contains(&status),
        "{status}"
    );
    shop.eventually_stock("POT-001", (12, 0)).await;

    front.broken.store(false, Ordering::SeqCst);
    shop.eventually_placed("key-1", &[("POT-001", 5)]).await;
    assert_eq!(shop.stock("POT-001").await, (7, 5));
}

#[tokio::test]
async fn without_the_catalogue_nothing_is_written_down() {
    let shop = Shop::open().await;
    let Shop {
        catalog,
        order,
        inventory,
        client,
        folder,
    } = shop;
    let addr = catalog.addr;
    catalog.shutdown().await;
    let request = client
        .post(format!("{}/orders", order.url()))
        .header("Idempotency-Key", "key-1");
    let body = order_of(&[("TEA-001", 1)]);
    let refused = read(request.json(&body).send().await.unwrap()).await;
    assert_problem(
        refused,
        StatusCode::SERVICE_UNAVAILABLE,
        "catalog_unavailable",
    );

    let mut service = Settings::for_tests(folder.path());
    service.listen = addr;
    let catalog = catalog::start(catalog::Options { service }).await.unwrap();
    let shop = Shop {
        catalog,
        order,
        inventory,
        client,
        folder,
    };
    let (_, page) = shop.get("/orders?limit=100").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 6);
    assert_eq!(
        shop.place("key-1", &[("TEA-001", 1)]).await.0,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn a_restarted_service_still_knows_its_answers() {
    let shop = Shop::open().await;
    let first = shop.place("key-1", &[("POT-001", 1)]).await;
    let Shop {
        order,
        inventory,
        catalog,
        client,
        folder,
    } = shop;
    order.shutdown().await;
    let order = start_order(folder.path(), &inventory.url(), &catalog.url()).await;
    let shop = Shop {
        order,
        inventory,
        catalog,
        client,
        folder,
    };
    assert_eq!(shop.place("key-1", &[("POT-001", 1)]).await, first);
    assert_eq!(shop.stock("POT-001").await, (11, 1));
}

#[tokio::test]
async fn a_service_that_cannot_find_its_peers_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let options = order::Options {
        service: Settings::for_tests(folder.path()),
        inventory_url: None,
        catalog_url: Some("http://127.0.0.1:9".to_owned()),
        sweep_every_ms: 1_000,
        pending_timeout_s: 60,
    };
    let error = order::start(options).await.unwrap_err();
    assert!(error.to_string().contains("--inventory-url"), "{error}");
}
