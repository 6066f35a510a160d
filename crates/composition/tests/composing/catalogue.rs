//! The catalogue's instances, as the registry lists them.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts as _, Query};
use axum::http::{HeaderMap, HeaderValue, Request};
use axum::routing::get;
use composition::{Budget, Caller, Part, Policy, Upstreams};
use discovery::{Instance, ServiceView};
use serde_json::{Value, json};

use super::service::{PATIENCE, nobody, serve};

/// An instance that answers with its name and whether it was given a token.
async fn instance(name: &'static str) -> String {
    let answer = move |headers: HeaderMap| async move {
        axum::Json(json!({ "name": name, "token": headers.contains_key("authorization") }))
    };
    serve(Router::new().fallback(get(answer))).await
}

/// A registry that knows these instances.
async fn registry(urls: &[String]) -> String {
    let instance = |(number, url): (usize, &String)| -> Instance {
        let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
        serde_json::from_value(json!({
            "id": format!("catalog-{number}"), "service": "catalog", "addr": "127.0.0.1", "port": port,
            "scheme": "http", "weight": 1, "status": "up", "source": "self",
        }))
        .unwrap()
    };
    let instances = urls.iter().enumerate().map(instance).collect();
    let view = ServiceView {
        index: 1,
        instances,
    };
    let list = move |Query(query): Query<Value>| async move {
        // There is no news after the first answer.
        if query["index"] != "0" {
            std::future::pending::<()>().await;
        }
        axum::Json(view)
    };
    serve(Router::new().route("/v1/services/catalog", get(list))).await
}

/// What the gateway and the catalogue are asked through, once the instances are known.
async fn upstreams(gateway: &str, instances: &[String]) -> Upstreams {
    let upstreams =
        Upstreams::new(gateway.parse().unwrap(), Some(&registry(instances).await)).unwrap();
    let known = async {
        while upstreams.catalog("products").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, known)
        .await
        .expect("the registry's list arrives");
    upstreams
}

async fn asked(upstreams: &Upstreams) -> Value {
    let part = Part::<Value>::new("products", Policy::required(), Budget::of_request(PATIENCE));
    part.fetch_any(upstreams.catalog("products"))
        .await
        .into_required()
        .unwrap()
}

#[tokio::test]
async fn two_instances_take_turns() {
    let instances = [instance("a").await, instance("b").await];
    let upstreams = upstreams("http://127.0.0.1:1", &instances).await;
    let mut names = BTreeSet::new();
    for _ in 0..4 {
        names.insert(asked(&upstreams).await["name"].as_str().unwrap().to_owned());
    }
    assert_eq!(names, BTreeSet::from(["a".to_owned(), "b".to_owned()]));
}

#[tokio::test]
async fn an_instance_that_is_gone_is_made_up_for_by_the_other() {
    for instances in [
        [nobody().await, instance("b").await],
        [instance("b").await, nobody().await],
    ] {
        let upstreams = upstreams("http://127.0.0.1:1", &instances).await;
        for _ in 0..4 {
            assert_eq!(asked(&upstreams).await["name"], "b");
        }
    }
}

#[tokio::test]
async fn a_catalogue_that_nobody_knows_is_skipped() {
    let upstreams = Upstreams::new("http://127.0.0.1:1".parse().unwrap(), None).unwrap();
    let part = Part::<Value>::new("products", Policy::optional(), Budget::of_request(PATIENCE));
    let fetched = part.fetch_any(upstreams.catalog("products")).await;
    assert_eq!(fetched.state().map(|state| state.code), Some("skipped"));
}

#[tokio::test]
async fn the_users_token_goes_to_the_gateway_and_nowhere_else() {
    let mirror = instance("gateway").await;
    let upstreams = upstreams(&mirror, std::slice::from_ref(&mirror)).await;
    let (mut request, ()) = Request::new(()).into_parts();
    request
        .headers
        .insert("x-user-id", HeaderValue::from_static("7"));
    request
        .headers
        .insert("authorization", HeaderValue::from_static("Bearer secret"));
    let caller = Caller::from_request_parts(&mut request, &()).await.unwrap();
    assert!(
        !format!("{caller:?}").contains("secret"),
        "a token must not reach a log"
    );

    let told = |request| async {
        let part = Part::<Value>::new("part", Policy::required(), Budget::of_request(PATIENCE));
        part.fetch(request).await.into_required().unwrap()["token"].clone()
    };
    assert_eq!(told(upstreams.api(&caller, "customers/7")).await, true);
    assert_eq!(told(upstreams.open_api("stock/TEA-001")).await, false);
    assert_eq!(asked(&upstreams).await["token"], false);
}
