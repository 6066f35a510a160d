//! Services that register themselves, as the chassis makes them do.

use axum::Router;
use axum::routing::get;
use chassis::Service;
use discovery::Watch;
use tokio::sync::{mpsc, watch};

use super::*;

async fn catalog(routes: Router, registry: &str) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        registry: Some(registry.to_owned()),
        zone: Some("north".to_owned()),
        ..Settings::for_tests(folder.path())
    };
    Service::new("catalog", routes)
        .metadata("team", "range")
        .start(&settings)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_service_is_listed_as_it_describes_itself() {
    let fixture = Fixture::start().await;
    let service = catalog(Router::new(), &fixture.url).await;
    let view = fixture.until("catalog", |found| found.len() == 1).await;
    let listed = &view.instances[0];
    assert_eq!(listed.id, format!("catalog-{}", service.addr.port()));
    assert_eq!(listed.base_url(), service.url());
    assert_eq!(listed.status, Status::Up);
    assert_eq!(listed.zone.as_deref(), Some("north"));
    assert_eq!(listed.metadata["team"], "range");
    let health = fixture
        .http
        .get(listed.health_url.as_ref().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(health.status(), 200);
}

#[tokio::test]
async fn a_stopping_service_drains_while_it_finishes_its_requests_and_then_leaves() {
    let fixture = Fixture::start().await;
    let (entered, mut inside) = mpsc::channel(1);
    let (release, released) = watch::channel(false);
    let slow = get(move || {
        let mut released = released.clone();
        async move {
            entered.send(()).await.unwrap();
            released.wait_for(|released| *released).await.unwrap();
        }
    });
    let service = catalog(Router::new().route("/slow", slow), &fixture.url).await;
    fixture.until("catalog", |found| found.len() == 1).await;
    let request = tokio::spawn(fixture.http.get(format!("{}/slow", service.url())).send());
    inside.recv().await.unwrap();
    let stopping = tokio::spawn(service.shutdown());
    fixture
        .until(
            "catalog",
            |found| matches!(found, [one] if one.status == Status::Draining),
        )
        .await;
    release.send_replace(true);
    assert_eq!(request.await.unwrap().unwrap().status(), 200);
    stopping.await.unwrap();
    fixture.until("catalog", <[Instance]>::is_empty).await;
}

#[tokio::test]
async fn watchers_keep_the_list_while_the_registry_is_away_and_follow_it_afterwards() {
    let fixture = Fixture::start().await;
    let first = catalog(Router::new(), &fixture.url).await;
    let mut watch = Watch::start(fixture.client.clone(), "catalog");
    while watch.pick().is_none() {
        tokio::time::timeout(DEADLINE, watch.changed())
            .await
            .unwrap();
    }
    let place = fixture.stop().await;
    assert_eq!(watch.pick().unwrap().base_url(), first.url());
    let fixture = Fixture::start_at(place).await;
    let _second = catalog(Router::new(), &fixture.url).await;
    while watch.instances().len() < 2 {
        tokio::time::timeout(DEADLINE, watch.changed())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_registry_that_has_lost_its_file_is_told_again() {
    let fixture = Fixture::start().await;
    let _service = catalog(Router::new(), &fixture.url).await;
    fixture.until("catalog", |found| found.len() == 1).await;
    let mut place = fixture.stop().await;
    place.data = tempfile::tempdir().unwrap();
    let fixture = Fixture::start_at(place).await;
    fixture.until("catalog", |found| found.len() == 1).await;
}

#[tokio::test]
async fn a_service_starts_before_its_registry() {
    let fixture = Fixture::start().await;
    let place = fixture.stop().await;
    let service = catalog(Router::new(), &format!("http://{}", place.addr())).await;
    let fixture = Fixture::start_at(place).await;
    let view = fixture.until("catalog", |found| found.len() == 1).await;
    assert_eq!(view.instances[0].port, service.addr.port());
}
