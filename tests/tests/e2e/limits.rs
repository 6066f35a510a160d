//! How often one may ask.

use std::time::Duration;

use tests::upstream::Fake;
use tests::{Gateway, Reply, ReplyExt as _};

use crate::{GATEWAY, everything_to};

fn table(upstream: &Fake) -> String {
    format!(
        r#"limits:
  demo: {{ key: ip, rate: 2/s, burst: 5 }}
  per-tenant: {{ key: "header:X-Tenant", rate: 1/h, burst: 2 }}
  trial: {{ key: route, rate: 1/h, burst: 1, enforce: false }}
upstreams:
  service: {{ endpoints: ["{}"] }}
routes:
  - {{ match: {{ path: /limited }}, to: {{ upstream: service }}, limits: [demo] }}
  - {{ match: {{ path: /tenant }}, to: {{ upstream: service }}, limits: [per-tenant] }}
  - {{ match: {{ path: /trial }}, to: {{ upstream: service }}, limits: [trial] }}
"#,
        upstream.url()
    )
}

#[tokio::test]
async fn beyond_the_burst_comes_429_with_the_time_to_come_back() {
    let upstream = Fake::echo("service").await;
    let gateway = Gateway::start(GATEWAY, &table(&upstream)).await;
    let client = gateway.client();
    let mut refused = None;
    for _ in 0..20 {
        let reply = client.get(gateway.https("/limited")).reply().await;
        assert_ne!(reply.header("ratelimit-policy"), "", "{reply:?}");
        assert_ne!(reply.header("ratelimit"), "", "{reply:?}");
        if reply.status == 429 {
            refused = Some(reply);
            break;
        }
        reply.expect(200);
    }
    let refused: Reply = refused.unwrap();
    assert!(upstream.requests() >= 5, "the burst of 5 was let in");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    let problem = refused.expect_problem(429, "rate_limited");
    assert!(
        problem["type"]
            .as_str()
            .unwrap()
            .ends_with("quota-exceeded"),
        "{problem}"
    );

    tokio::time::sleep(Duration::from_secs(wait)).await;
    client
        .get(gateway.https("/limited"))
        .reply()
        .await
        .expect(200);
}

#[tokio::test]
async fn each_key_has_its_own_share() {
    let upstream = Fake::echo("service").await;
    let gateway = Gateway::start(GATEWAY, &table(&upstream)).await;
    let ask = async |tenant: &str| {
        let request = gateway.client().get(gateway.https("/tenant"));
        request
            .header("x-tenant", tenant)
            .reply()
            .await
            .status
            .as_u16()
    };
    assert_eq!(
        [ask("a").await, ask("a").await, ask("a").await],
        [200, 200, 429]
    );
    assert_eq!(ask("b").await, 200);
}

#[tokio::test]
async fn a_limit_on_trial_counts_and_refuses_nothing() {
    let upstream = Fake::echo("service").await;
    let gateway = Gateway::start(GATEWAY, &table(&upstream)).await;
    for _ in 0..3 {
        gateway.get("/trial").await.expect(200);
    }
    let counted = gateway
        .metric("gateway_limit_refused_total", &["limit=\"trial\""])
        .await;
    assert!(counted >= 2.0, "{counted}");
}

#[tokio::test]
async fn a_flood_of_unknown_addresses_ends_at_the_listeners_limit_too() {
    let table =
        Gateway::table(&everything_to("http://127.0.0.1:1").replace("prefix: /", "prefix: /known"))
            .replace(
                "name: plain,",
                "name: plain, per_ip_limit: { rate: 1/m, burst: 2 },",
            );
    let gateway = Gateway::start_table(GATEWAY, &table, &[]).await;
    let client = tests::plain_client();
    let mut statuses = Vec::new();
    for path in ["/unknown", "/a%2Fb", "/unknown", "/a%2Fb"] {
        let reply = client.get(gateway.http("plain", path)).reply().await;
        statuses.push(reply.status.as_u16());
    }
    assert_eq!(statuses, [404, 400, 429, 429]);
}
