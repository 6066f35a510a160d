//! Instances that fall silent.

use super::*;

#[tokio::test]
async fn a_killed_instance_is_suspected_within_its_ttl_and_evicted_once_probes_fail() {
    let fixture = Fixture::start().await;
    let (addr, process) = instance().await;
    let health_url = Some(format!("http://{addr}/readyz"));
    let registration = Registration {
        health_url,
        ..on_port(addr.port())
    };
    fixture
        .client
        .register("order", "order-1", &registration)
        .await
        .unwrap();
    fixture.pass(Duration::from_secs(15));
    let view = fixture
        .until("order", |found| {
            statuses(found) == [("order-1", Status::Suspect)]
        })
        .await;
    // It is alive, only silent: it stays, whatever time passes.
    fixture.pass(Duration::from_secs(60));
    let wait = Duration::from_secs(1);
    let later = fixture
        .client
        .instances("order", view.index, wait)
        .await
        .unwrap();
    assert_eq!(statuses(&later.instances), [("order-1", Status::Suspect)]);
    process.abort();
    fixture.until("order", <[Instance]>::is_empty).await;
}

#[tokio::test]
async fn an_instance_without_a_health_url_is_probed_at_its_port() {
    let fixture = Fixture::start().await;
    let (addr, process) = instance().await;
    let lease = fixture
        .client
        .register("order", "order-1", &on_port(addr.port()))
        .await
        .unwrap();
    fixture.pass(Duration::from_secs(15));
    fixture
        .until("order", |found| {
            statuses(found) == [("order-1", Status::Suspect)]
        })
        .await;
    fixture
        .client
        .renew("order", "order-1", &lease)
        .await
        .unwrap();
    fixture
        .until("order", |found| {
            statuses(found) == [("order-1", Status::Up)]
        })
        .await;
    process.abort();
    fixture.pass(Duration::from_secs(15));
    fixture.until("order", <[Instance]>::is_empty).await;
}
