//! Restarts, disks and ports.

use super::*;

#[tokio::test]
async fn a_restart_forgets_neither_instances_nor_leases_and_counts_on() {
    let fixture = Fixture::start().await;
    let lease = fixture
        .client
        .register("order", "order-1", &on_port(1))
        .await
        .unwrap();
    let gone = fixture
        .client
        .register("order", "order-2", &on_port(2))
        .await
        .unwrap();
    fixture
        .client
        .set_status("order", "order-1", &lease, Status::Draining)
        .await
        .unwrap();
    fixture
        .client
        .deregister("order", "order-2", &gone)
        .await
        .unwrap();
    let before = fixture
        .client
        .instances("order", 0, Duration::ZERO)
        .await
        .unwrap();
    let fixture = fixture.restart().await;
    let after = fixture
        .client
        .instances("order", 0, Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(after.instances, before.instances);
    assert!(after.index > before.index);
    fixture
        .client
        .renew("order", "order-1", &lease)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_file_that_cannot_be_written_keeps_nobody_from_registering() {
    let fixture = Fixture::start().await;
    let file = Settings::for_tests(fixture.place.data.path()).database_url(crate::NAME);
    let other = sqlite::Database::open(&file).await.unwrap();
    let lock = other.begin().await.unwrap();
    let lease = fixture
        .client
        .register("order", "order-1", &on_port(1))
        .await
        .unwrap();
    fixture
        .client
        .renew("order", "order-1", &lease)
        .await
        .unwrap();
    drop(lock);
    // It is made up for.
    let saved = async {
        loop {
            let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM instance")
                .fetch_one(other.reads())
                .await
                .unwrap();
            if rows == 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, saved).await.unwrap();
}

#[tokio::test]
async fn a_busy_port_is_named_in_one_line() {
    let fixture = Fixture::start().await;
    let addr = fixture.running.as_ref().unwrap().addr;
    let other = tempfile::tempdir().unwrap();
    let service = Settings {
        listen: addr,
        ..Settings::for_tests(other.path())
    };
    let error = crate::start(Options { service }).await.unwrap_err();
    let line = format!("{error:#}");
    assert!(
        line.contains(&addr.to_string()) && !line.contains('\n'),
        "{line}"
    );
}
