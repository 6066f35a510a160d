//! The customer service over a real socket.

#![expect(clippy::unwrap_used, reason = "test harness")]

use chassis::{Client, Running, Settings};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Customers {
    client: Client,
    running: Running,
    _folder: TempDir,
}

impl Customers {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = Settings::for_tests(folder.path());
        let running = customer::start(customer::Options { service })
            .await
            .unwrap();
        Self {
            client: Client::new().unwrap(),
            running,
            _folder: folder,
        }
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        read(self.client.get(self.url(path)).send().await.unwrap()).await
    }

    async fn put(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        read(
            self.client
                .put(self.url(path))
                .json(body)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running.url())
    }
}

async fn read(response: Response) -> (StatusCode, Value) {
    (response.status(), response.json().await.unwrap())
}

fn harbour_books() -> Value {
    json!({
        "id": 1, "name": "Harbour Books", "email": "orders@harbour-books.example",
        "city": "Bergen", "credit_limit": {"cents": 50000, "currency": "EUR"}, "version": 1,
    })
}

#[tokio::test]
async fn a_customer_is_answered_in_the_agreed_shape() {
    let customers = Customers::start().await;
    assert_eq!(
        customers.get("/customers/1").await,
        (StatusCode::OK, harbour_books())
    );
    let credit = json!({
        "limit": {"cents": 50000, "currency": "EUR"},
        "available": {"cents": 50000, "currency": "EUR"},
    });
    assert_eq!(
        customers.get("/customers/1/credit").await,
        (StatusCode::OK, credit)
    );
    assert_eq!(customers.get("/readyz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_unknown_customer_is_a_problem() {
    let customers = Customers::start().await;
    for path in ["/customers/99", "/customers/99/credit", "/customers/abc"] {
        let (status, body) = customers.get(path).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::NOT_FOUND, &json!("not_found")),
            "{path}"
        );
    }
    let (status, _) = customers.put("/customers/99", &harbour_books()).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_list_is_walked_by_cursor() {
    let customers = Customers::start().await;
    let (mut ids, mut query) = (Vec::new(), String::new());
    loop {
        let (status, page) = customers.get(&format!("/customers?limit=2{query}")).await;
        assert_eq!(status, StatusCode::OK);
        ids.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|c| c["id"].as_i64().unwrap()),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(ids, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_limit_out_of_range_and_a_foreign_cursor_are_explained() {
    let customers = Customers::start().await;
    for (query, hint) in [
        ("limit=0", "between 1 and 100"),
        ("limit=101", "between 1 and 100"),
        ("limit=-5", "between 1 and 100"),
        ("cursor=garbage", "start again without it"),
        ("limit=many", "limit"),
    ] {
        let (status, body) = customers.get(&format!("/customers?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert!(
            body["detail"].as_str().unwrap().contains(hint),
            "{query}: {body}"
        );
    }
}

#[tokio::test]
async fn a_change_is_kept_and_the_old_version_is_refused_from_then_on() {
    let customers = Customers::start().await;
    let mut change = harbour_books();
    change["city"] = json!("Oslo");
    let (status, changed) = customers.put("/customers/1", &change).await;
    assert_eq!((status, &changed["version"]), (StatusCode::OK, &json!(2)));
    assert_eq!(customers.get("/customers/1").await.1["city"], "Oslo");

    let (status, problem) = customers.put("/customers/1", &change).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(problem["code"], "version_conflict");
    assert_eq!(problem["current_version"], 2);
}

#[tokio::test]
async fn a_change_that_cannot_be_is_told_every_field() {
    let customers = Customers::start().await;
    let mut change = harbour_books();
    change["name"] = json!("");
    change["credit_limit"]["cents"] = json!(-1);
    let (status, problem) = customers.put("/customers/1", &change).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let fields: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["field"])
        .collect();
    assert_eq!(fields, ["name", "credit_limit"]);

    let (status, _) = customers
        .put("/customers/1", &json!({"name": "Only a name"}))
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_changes_of_one_version_exactly_one_wins() {
    let customers = std::sync::Arc::new(Customers::start().await);
    let changes: Vec<_> = (0..20)
        .map(|n| {
            let customers = customers.clone();
            let mut change = harbour_books();
            change["city"] = json!(format!("City {n}"));
            tokio::spawn(async move { customers.put("/customers/1", &change).await.0 })
        })
        .collect();
    let mut won = 0;
    for change in changes {
        match change.await.unwrap() {
            StatusCode::OK => won += 1,
            status => assert_eq!(status, StatusCode::CONFLICT),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(customers.get("/customers/1").await.1["version"], 2);
}

#[tokio::test]
async fn changes_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = || customer::Options {
        service: Settings::for_tests(folder.path()),
    };
    let client = Client::new().unwrap();

    let first = customer::start(options()).await.unwrap();
    let mut change = harbour_books();
    change["city"] = json!("Oslo");
    let url = format!("{}/customers/1", first.url());
    assert_eq!(
        client.put(url).json(&change).send().await.unwrap().status(),
        StatusCode::OK
    );
    first.shutdown().await;

    let second = customer::start(options()).await.unwrap();
    let url = format!("{}/customers/1", second.url());
    let (_, customer) = read(client.get(url).send().await.unwrap()).await;
    assert_eq!(
        (&customer["city"], &customer["version"]),
        (&json!("Oslo"), &json!(2))
    );
}
