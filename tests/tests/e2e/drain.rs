//! A stop that loses nothing.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tests::frames::{Frames, Outcome};
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
    // Connected, and never said a word.
    let _silent = [gateway.raw().await, gateway.raw_to("edge").await];
    // Said hello in HTTP/2, and never answers anything.
    let mut deaf = Frames::over(gateway.raw().await).await;
    deaf.headers(1, &crate::h2_abuse::GET, true).await;
    assert_eq!(deaf.outcome(1).await, Outcome::Answer(200));
    gateway.process.signal(Signal::TERM);
    assert!(
        gateway
            .process
            .ended(Duration::from_secs(7))
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

#[tokio::test]
async fn open_connections_are_told_that_they_end() {
    let upstream = slow_upstream().await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let mut http1 = gateway.raw().await;
    let mut h2 = Frames::over(gateway.raw().await).await;
    http1.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(http1.status_line().await, "HTTP/1.1 200 OK");
    h2.headers(1, &crate::h2_abuse::GET, true).await;
    assert_eq!(h2.outcome(1).await, Outcome::Answer(200));
    let mark = gateway.process.mark();
    gateway.process.signal(Signal::TERM);
    gateway.process.message_after(mark, "draining").await;
    // A request that is on its way is answered, and the answer says that it is the last.
    http1.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answers = http1.read_to_end().await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
    assert_eq!(answers.matches("connection: close").count(), 1, "{answers}");
    // So is one that was sent before the second GOAWAY.
    h2.headers(3, &crate::h2_abuse::GET, true).await;
    assert_eq!(h2.outcome(3).await, Outcome::Answer(200));
    assert_eq!(h2.outcome(5).await, Outcome::Closed);
    assert!(gateway.process.ended(PATIENCE).await.success());
}

#[tokio::test]
async fn until_the_delay_is_over_the_gateway_is_not_ready_and_serves() {
    let upstream = slow_upstream().await;
    let mut gateway = Gateway::start_delayed(GATEWAY, &everything_to(&upstream.url()), "2s").await;
    let mark = gateway.process.mark();
    gateway.process.signal(Signal::TERM);
    gateway.process.message_after(mark, "leaving").await;
    gateway.admin("/readyz").await.expect(503);
    let mut raw = gateway.raw().await;
    raw.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(raw.status_line().await, "HTTP/1.1 200 OK");
    assert!(gateway.process.ended(PATIENCE).await.success());
    assert!(!raw.read_to_end().await.contains("connection: close"));
}
