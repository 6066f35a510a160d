//! A stop that loses nothing.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tests::upstream::Fake;
use tests::{Gateway, PATIENCE, ReplyExt as _, Signal, eventually};

use crate::{GATEWAY, everything_to};

async fn slow_upstream() -> Fake {
    let slow = async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        "done"
    };
    Fake::start(
        Router::new()
            .route("/slow", get(slow))
            .route("/", get(async || "quick")),
    )
    .await
}

#[tokio::test]
async fn sigterm_lets_requests_finish_and_ends_with_success() {
    let upstream = slow_upstream().await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let (h2, http1) = (gateway.client(), gateway.http1_client());
    for client in [&h2, &http1] {
        client.get(gateway.https("/")).reply().await.expect(200);
    }
    let before = upstream.requests();
    let running: Vec<_> = [&h2, &http1]
        .map(|client| tokio::spawn(client.get(gateway.https("/slow")).reply()))
        .into();
    eventually("both requests at the upstream", PATIENCE, async || {
        (upstream.requests() == before + 2).then_some(())
    })
    .await;
    gateway.process.signal(Signal::TERM);
    for reply in running {
        assert_eq!(reply.await.unwrap().expect(200).body, "done");
    }
    assert!(
        gateway.process.ended(PATIENCE).await.success(),
        "{}",
        gateway.process.tail()
    );
    assert!(
        tokio::net::TcpStream::connect(gateway.address("edge"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let upstream = slow_upstream().await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let held = [gateway.client(), gateway.http1_client()];
    for client in &held {
        client.get(gateway.https("/")).reply().await.expect(200);
    }
    gateway.process.signal(Signal::TERM);
    assert!(
        gateway
            .process
            .ended(Duration::from_secs(5))
            .await
            .success()
    );
}

#[tokio::test]
async fn the_gateway_ends_with_its_launcher() {
    let upstream = slow_upstream().await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    gateway.process.close_stdin();
    assert!(
        gateway.process.ended(PATIENCE).await.success(),
        "{}",
        gateway.process.tail()
    );
}
