//! Requests and refusals.

use super::*;

#[tokio::test]
async fn an_instance_registers_renews_drains_and_leaves() {
    let fixture = Fixture::start().await;
    let client = &fixture.client;
    let lease = client
        .register("order", "order-1", &on_port(7007))
        .await
        .unwrap();
    assert!(
        (lease.renew_every_s - 5.0).abs() < 1e-9,
        "a third of the TTL"
    );
    client.renew("order", "order-1", &lease).await.unwrap();
    client
        .set_status("order", "order-1", &lease, Status::Draining)
        .await
        .unwrap();
    let view = client.instances("order", 0, Duration::ZERO).await.unwrap();
    assert_eq!(statuses(&view.instances), [("order-1", Status::Draining)]);
    client.deregister("order", "order-1", &lease).await.unwrap();
    let view = client.instances("order", 0, Duration::ZERO).await.unwrap();
    assert_eq!(view.instances, []);
    let renewed = client.renew("order", "order-1", &lease).await;
    assert!(matches!(renewed, Err(RegistryError::UnknownLease)));
}

#[tokio::test]
async fn services_are_listed_with_their_counts() {
    let fixture = Fixture::start().await;
    for (service, id, port) in [("order", "a", 1), ("catalog", "a", 2), ("catalog", "b", 3)] {
        fixture
            .client
            .register(service, id, &on_port(port))
            .await
            .unwrap();
    }
    let (status, body) = answer(fixture.http.get(format!("{}/v1/services", fixture.url))).await;
    assert_eq!(status, 200);
    assert_eq!(
        body["items"],
        json!([
            { "name": "catalog", "instances": 2, "up": 2 },
            { "name": "order", "instances": 1, "up": 1 },
        ])
    );
}

#[tokio::test]
async fn a_second_registration_of_a_name_ends_the_first_lease() {
    let fixture = Fixture::start().await;
    let path = "/v1/services/order/instances/order-1";
    let body = json!({ "addr": "127.0.0.1", "port": 1 });
    let (created, first) = fixture.put(path, &body).await;
    let (replaced, second) = fixture.put(path, &body).await;
    assert_eq!((created, replaced), (201, 200));
    assert_ne!(first["lease_id"], second["lease_id"]);
    let renew = fixture.http.post(format!("{}{path}/renew", fixture.url));
    let (status, problem) = answer(renew.json(&json!({ "lease_id": first["lease_id"] }))).await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (409, Some("anothers_lease"))
    );
}

#[tokio::test]
async fn what_is_out_of_bounds_is_refused_with_a_reason() {
    let fixture = Fixture::start().await;
    let good = "/v1/services/order/instances/order-1";
    let minimal = json!({ "addr": "127.0.0.1", "port": 1 });
    let with = |key: &str, value: Value| {
        let mut body = minimal.clone();
        body[key] = value;
        body
    };
    for (path, body, names) in [
        (good, with("ttl_s", json!(301)), "ttl_s"),
        (good, with("port", json!(0)), "port"),
        (good, with("port", json!(70_000)), "port"),
        (good, with("addr", json!("a b")), "addr"),
        (
            good,
            with("health_url", json!("http://10.0.0.1/")),
            "health_url",
        ),
        (good, with("tll_s", json!(5)), "tll_s"),
        (good, json!({ "port": 1 }), "addr"),
        (
            "/v1/services/Order/instances/order-1",
            minimal.clone(),
            "service name",
        ),
        (
            "/v1/services/order/instances/a%20b",
            minimal.clone(),
            "instance id",
        ),
    ] {
        let (status, problem) = fixture.put(path, &body).await;
        assert_eq!(status, 422, "{path} {body}: {problem}");
        assert!(
            problem["detail"].as_str().unwrap().contains(names),
            "{problem}"
        );
    }
    let no_json = fixture.http.put(format!("{}{good}", fixture.url)).body("{");
    let no_json = no_json.header("content-type", "application/json");
    assert_eq!(answer(no_json).await.0, 400);
    for query in ["index=x", "index=1&wait=soon", "index=1&wait=-1s"] {
        let request = fixture
            .http
            .get(format!("{}/v1/services/order?{query}", fixture.url));
        assert_eq!(answer(request).await.0, 400, "{query}");
    }
}

#[tokio::test]
async fn a_registrars_word_is_refused_where_an_instance_registers_itself() {
    let fixture = Fixture::start().await;
    fixture
        .client
        .register("order", "order-1", &on_port(1))
        .await
        .unwrap();
    let hearsay = Registration {
        source: Source::Registrar,
        ..on_port(1)
    };
    let refused = fixture.client.register("order", "pid-7", &hearsay).await;
    assert!(matches!(refused, Err(RegistryError::AnothersLease)));
}
