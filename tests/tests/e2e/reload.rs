//! The table and the certificates are followed while running.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use futures_util::{StreamExt as _, stream};
use reqwest::Response;
use tests::upstream::Fake;
use tests::{Edit, Gateway, PATIENCE, ReplyExt as _, Signal, assert_prompt, eventually};

use crate::{GATEWAY, everything_to};

#[tokio::test]
async fn every_way_of_saving_the_table_is_seen_within_a_second() {
    let (one, two) = (Fake::echo("one").await, Fake::echo("two").await);
    let table = |url: &str| Gateway::table(&everything_to(url));
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&one.url())).await;
    let mut took = Vec::new();
    for how in Edit::ALL {
        for (upstream, name) in [(&two, "two"), (&one, "one")] {
            let saved = Instant::now();
            gateway.edit(how, &table(&upstream.url())).await;
            took.push(saved.elapsed());
            let reply = gateway.get("/").await.expect(200);
            assert_eq!(reply.json()["name"], name, "{how:?}");
        }
    }
    assert_prompt("a reload", took, Duration::from_secs(1));
}

#[tokio::test]
async fn sighup_reads_the_table_at_once() {
    let upstream = Fake::echo("only").await;
    let gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let mark = gateway.process.mark();
    gateway.process.signal(Signal::HUP);
    let line = gateway
        .process
        .message_after(mark, "route table applied")
        .await;
    assert_eq!(line["generation"], 2);
}

#[tokio::test]
async fn a_table_with_mistakes_is_refused_and_the_last_good_one_serves_on() {
    let upstream = Fake::echo("only").await;
    let good = Gateway::table(&everything_to(&upstream.url()));
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let half = good.get(..good.len() / 2).unwrap();
    let failing_test =
        format!("{good}tests:\n  - {{ request: GET /, expect: {{ no_route: true }} }}\n");
    for bad in [
        good.replace("upstream: only", "upstream: onyl"),
        good.replace("version: 1", "version: 1\nverison: 1"),
        half.to_owned(),
        failing_test,
        String::new(),
        "\t\u{0}".to_owned(),
    ] {
        let mark = gateway.process.mark();
        gateway.save(Edit::Rename, &bad);
        let refused = |line: &serde_json::Value| {
            line["message"]
                .as_str()
                .is_some_and(|message| message.contains("table refused"))
        };
        let line = gateway
            .process
            .line_after(mark, "that the table is refused", refused)
            .await;
        assert!(
            line["error"].as_str().unwrap().contains("routes.yaml"),
            "{line}"
        );
        gateway.get("/").await.expect(200);
        let success = gateway
            .metric("gateway_config_last_reload_success", &[])
            .await;
        assert!(success.abs() < 0.1, "{success}");
    }
    gateway.edit(Edit::Rename, &good).await;
    let success = gateway
        .metric("gateway_config_last_reload_success", &[])
        .await;
    assert!((success - 1.0).abs() < 0.1, "{success}");
    gateway.assert_sound();
}

#[tokio::test]
async fn a_table_that_disappears_changes_nothing() {
    let upstream = Fake::echo("only").await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let mark = gateway.process.mark();
    std::fs::remove_file(gateway.folder().join("routes.yaml")).unwrap();
    let refused = |line: &serde_json::Value| line["level"] == "ERROR";
    gateway
        .process
        .line_after(mark, "that the table is gone", refused)
        .await;
    gateway.get("/").await.expect(200);
    gateway.assert_sound();
}

/// Sends a chunk every 50 ms, for a second and a half.
async fn slow() -> Body {
    let chunks = stream::iter(0..30).then(|_| async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok::<_, Infallible>(Bytes::from_static(b"0123456789"))
    });
    Body::from_stream(chunks)
}

#[tokio::test]
async fn a_download_lives_through_reloads() {
    let upstream = Fake::start(Router::new().route("/slow", get(slow))).await;
    let table = Gateway::table(&everything_to(&upstream.url()));
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    for (round, client) in [gateway.client(), gateway.http1_client()]
        .into_iter()
        .enumerate()
    {
        let response: Response = client.get(gateway.https("/slow")).send().await.unwrap();
        for how in Edit::ALL {
            // Each version is another text, so that none is taken for one seen before.
            gateway
                .edit(how, &format!("{table}# {round} {how:?}\n"))
                .await;
        }
        assert_eq!(response.bytes().await.unwrap().len(), 300);
    }
}

#[tokio::test]
async fn a_certificate_replaced_on_disk_is_served_within_ten_seconds() {
    let upstream = Fake::echo("only").await;
    let gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let served = async || {
        let response = gateway
            .client_with_tls_info()
            .get(gateway.https("/"))
            .send()
            .await
            .unwrap();
        let info = response
            .extensions()
            .get::<reqwest::tls::TlsInfo>()
            .unwrap();
        info.peer_certificate().unwrap().to_vec()
    };
    let before = served().await;
    let held = gateway.http1_client();
    held.get(gateway.https("/")).reply().await.expect(200);
    gateway.renew_certificate();
    let limit = Duration::from_secs(10).min(PATIENCE);
    eventually("the new certificate", limit, async || {
        (served().await != before).then_some(())
    })
    .await;
    // Connections made with the old one live on.
    held.get(gateway.https("/")).reply().await.expect(200);
}
