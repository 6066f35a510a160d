//! How clients reach the gateway: HTTPS, HTTP/2, HTTP/1.1, the redirect, the internal listener.

use reqwest::Version;
use tests::upstream::Fake;
use tests::{Gateway, ReplyExt as _, plain_client};

use crate::{GATEWAY, everything_to};

#[tokio::test]
async fn https_speaks_http_2_and_http_1_1() {
    let upstream = Fake::echo("only").await;
    let gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    for (client, version) in [
        (gateway.client(), Version::HTTP_2),
        (gateway.http1_client(), Version::HTTP_11),
    ] {
        let reply = client.get(gateway.https("/")).reply().await.expect(200);
        assert_eq!(reply.version, version);
        assert_eq!(reply.json()["headers"]["x-forwarded-proto"], "https");
    }
}

#[tokio::test]
async fn the_internal_listener_speaks_http_1_1_and_http_2_without_tls() {
    let upstream = Fake::echo("only").await;
    let gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let url = gateway.http("internal", "/");
    let h2c = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    assert_eq!(
        h2c.get(&url).reply().await.expect(200).version,
        Version::HTTP_2
    );
    assert_eq!(
        plain_client().get(&url).reply().await.expect(200).version,
        Version::HTTP_11
    );
}

#[tokio::test]
async fn plain_http_is_redirected_with_path_and_query() {
    let gateway = Gateway::start(GATEWAY, &everything_to("http://127.0.0.1:1")).await;
    let port = gateway.address("redirect").port();
    let url = format!("http://localhost:{port}/orders/1?page=2");
    let reply = plain_client().post(url).reply().await.expect(308);
    assert_eq!(
        reply.header("location"),
        "https://localhost:8443/orders/1?page=2"
    );
}

#[tokio::test]
async fn a_request_without_tls_on_the_https_port_gets_no_answer_and_harms_nobody() {
    let upstream = Fake::echo("only").await;
    let mut gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let mut raw = tests::Raw::connect(gateway.address("edge")).await;
    raw.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(!raw.read_to_end().await.starts_with("HTTP/"));
    gateway.get("/").await.expect(200);
    gateway.assert_sound();
}

#[tokio::test]
async fn head_has_the_headers_and_no_body() {
    let upstream = Fake::echo("only").await;
    let gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    let client = gateway.http1_client();
    let reply = client.head(gateway.https("/")).reply().await.expect(200);
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.body, "");
    // The connection is still in step.
    client.get(gateway.https("/")).reply().await.expect(200);
}

#[tokio::test]
async fn the_admin_listener_knows_health_and_metrics() {
    let gateway = Gateway::start(GATEWAY, &everything_to("http://127.0.0.1:1")).await;
    for path in ["/livez", "/readyz"] {
        gateway.admin(path).await.expect(200);
    }
    assert!(
        (gateway
            .metric("gateway_config_last_reload_success", &[])
            .await
            - 1.0)
            .abs()
            < 0.1
    );
    gateway
        .admin("/nothing")
        .await
        .expect_problem(404, "not_found");
}
