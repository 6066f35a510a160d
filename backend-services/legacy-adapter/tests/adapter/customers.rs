use serde_json::{Value, json};

use crate::harness::Adapter;

const SEED: &str = include_str!("../../../shop/seed/customers.json");

/// The seeds in the agreed shape.
fn seeds() -> Vec<Value> {
    let seeds: Vec<Value> = serde_json::from_str(SEED).unwrap();
    let customer = |seed: &Value| {
        json!({
            "id": seed["id"], "name": seed["name"], "email": seed["email"], "city": seed["city"],
            "credit_limit": {"cents": seed["credit_limit_cents"], "currency": "EUR"}, "version": 1,
        })
    };
    seeds.iter().map(customer).collect()
}

#[tokio::test]
async fn every_seeded_customer_is_answered_in_the_agreed_shape() {
    let (adapter, _monolith) = Adapter::with_monolith().await;
    for seed in seeds() {
        let reply = adapter.get(&format!("/customers/{}", seed["id"])).await;
        assert_eq!((reply.status.as_u16(), reply.body), (200, seed));
    }
    let credit = json!({
        "limit": {"cents": 50000, "currency": "EUR"},
        "available": {"cents": 50000, "currency": "EUR"},
    });
    assert_eq!(adapter.get("/customers/1/credit").await.body, credit);
}

#[tokio::test]
async fn the_list_is_walked_by_cursor() {
    let (adapter, _monolith) = Adapter::with_monolith().await;
    let (mut found, mut query) = (Vec::new(), String::new());
    loop {
        let page = adapter.get(&format!("/customers?limit=2{query}")).await;
        assert_eq!(page.status, 200);
        found.extend(page.body["items"].as_array().unwrap().clone());
        match page.body["next_cursor"].as_str() {
            Some(cursor) => query = format!("&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(found, seeds());
    adapter
        .get("/customers?limit=101")
        .await
        .assert_problem(400, "bad_request");
    adapter
        .get("/customers?cursor=x")
        .await
        .assert_problem(400, "bad_request");
    assert_eq!(adapter.get("/customers?limit=100").await.status, 200);
}

#[tokio::test]
async fn a_change_is_kept_and_a_stale_one_is_a_conflict() {
    let (adapter, _monolith) = Adapter::with_monolith().await;
    let mut customer = seeds().remove(0);
    customer["name"] = json!("Books & <Maps> \"Å\"");
    customer["credit_limit"]["cents"] = json!(123_456_705);
    let changed = adapter.put("/customers/1", &customer).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let mut expected = customer.clone();
    expected["version"] = json!(2);
    assert_eq!(changed.body, expected);
    assert_eq!(adapter.get("/customers/1").await.body, expected);

    let stale = adapter.put("/customers/1", &customer).await;
    stale.assert_problem(409, "version_conflict");
    assert_eq!(stale.body["current_version"], 2);
    let failures = adapter.failures().await;
    assert_eq!(
        (&failures["answered"], &failures["refused"]),
        (&json!(2), &json!(1))
    );
}

#[tokio::test]
async fn what_the_monolith_refuses_is_explained_in_our_words() {
    let (adapter, _monolith) = Adapter::with_monolith().await;
    let mut wrong = seeds().remove(0);
    wrong["email"] = json!("nobody");
    wrong["city"] = json!(" ");
    wrong["credit_limit"]["cents"] = json!(-1);
    let refused = adapter.put("/customers/1", &wrong).await;
    refused.assert_problem(422, "invalid_customer");
    let errors = refused.body["errors"].as_array().unwrap();
    let fields: Vec<&str> = errors
        .iter()
        .map(|e| e["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["email", "city", "credit_limit"]);

    let mut other = seeds().remove(0);
    other["id"] = json!(2);
    other["name"] = json!("a\u{7}b");
    let refused = adapter.put("/customers/1", &other).await;
    refused.assert_problem(422, "invalid_customer");
    assert_eq!(refused.body["errors"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn who_is_not_there_is_not_found() {
    let (adapter, _monolith) = Adapter::with_monolith().await;
    for path in [
        "/customers/99",
        "/customers/99/credit",
        "/customers/x",
        "/customers/1/x",
    ] {
        adapter.get(path).await.assert_problem(404, "not_found");
    }
    let mut stranger = seeds().remove(0);
    stranger["id"] = json!(99);
    adapter
        .put("/customers/99", &stranger)
        .await
        .assert_problem(404, "not_found");
}
