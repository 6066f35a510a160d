//! How often one may ask.

use std::time::Duration;

use tests::upstream::{Fake, Node};
use tests::{Gateway, PATIENCE, Reply, ReplyExt as _, eventually, plain_client};

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
    let client = plain_client();
    let mut statuses = Vec::new();
    for path in ["/unknown", "/a%2Fb", "/unknown", "/a%2Fb"] {
        let reply = client.get(gateway.http("plain", path)).reply().await;
        statuses.push(reply.status.as_u16());
    }
    assert_eq!(statuses, [404, 400, 429, 429]);
}

#[tokio::test]
async fn requests_under_way_are_counted_until_their_answers_have_ended() {
    let slow = Node::start("slow").await;
    let table = format!(
        "limits: {{ at-once: {{ key: 'header:X-Tenant', concurrent: 2 }} }}\n\
         upstreams: {{ service: {{ endpoints: ['{}'] }} }}\nroutes:\n  \
         - {{ match: {{ prefix: / }}, to: {{ upstream: service }}, limits: [at-once] }}\n",
        slow.url()
    );
    let gateway = Gateway::start(GATEWAY, &table).await;
    let client = gateway.client();
    let ask = |path: &str, tenant: &str| {
        let request = client.get(gateway.https(path));
        let request = request.header("x-tenant", tenant.to_owned());
        tokio::spawn(async move { request.reply().await })
    };
    let waiting = [ask("/hang", "a"), ask("/hang", "a")];
    eventually("both to be under way", PATIENCE, async || {
        let open = gateway.metric("gateway_requests_in_flight", &[]).await;
        (open >= 2.0).then_some(())
    })
    .await;
    eventually("the third to be refused", PATIENCE, async || {
        (ask("/", "a").await.unwrap().status == 429).then_some(())
    })
    .await;
    let refused = ask("/", "a").await.unwrap();
    assert_eq!(refused.header("retry-after"), "1");
    refused.expect_problem(429, "rate_limited");
    ask("/", "b").await.unwrap().expect(200);
    for task in waiting {
        eventually("an answer", PATIENCE, async || {
            slow.let_go();
            task.is_finished().then_some(())
        })
        .await;
        task.await.unwrap().expect(200);
    }
    eventually("a place to be given back", PATIENCE, async || {
        (ask("/", "a").await.unwrap().status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_route_may_be_for_some_addresses_only_whoever_forwards_them() {
    let upstream = Fake::echo("service").await;
    let table = format!(
        "version: 1\nlisteners:\n  \
         - {{ name: edge, bind: '127.0.0.1:0', tls: {{ cert: edge.pem, key: edge.key }}, trusted_proxies: [127.0.0.0/8] }}\n  \
         - {{ name: direct, bind: '127.0.0.1:0' }}\n\
         admin: {{ bind: '127.0.0.1:0' }}\n\
         upstreams: {{ service: {{ endpoints: ['{}'] }} }}\nroutes:\n  \
         - {{ match: {{ path: /inside }}, to: {{ upstream: service }}, \
              client_ip: {{ allow: [10.0.0.0/8, '2001:db8::/32'], deny: [10.9.0.0/16] }} }}\n  \
         - {{ match: {{ path: /not-you }}, to: {{ upstream: service }}, client_ip: {{ deny: [127.0.0.1] }} }}\n",
        upstream.url()
    );
    let gateway = Gateway::start_table(GATEWAY, &table, &[]).await;
    for (forwarded, status) in [
        ("10.1.2.3", 200),
        ("2001:db8::7", 200),
        ("10.9.2.3", 403),
        ("192.0.2.1", 403),
        // What the client wrote itself stands left of what the proxy saw.
        ("10.1.2.3, 192.0.2.1", 403),
    ] {
        let request = gateway.client().get(gateway.https("/inside"));
        let request = request.header("x-forwarded-for", forwarded);
        let reply = request.reply().await;
        assert_eq!(reply.status, status, "{forwarded}");
    }
    // Nobody's word is taken there.
    let url = gateway.http("direct", "/inside");
    let request = plain_client()
        .get(url)
        .header("x-forwarded-for", "10.1.2.3");
    let reply = request.reply().await;
    reply.expect_problem(403, "address_refused");
    let reply = plain_client()
        .get(gateway.http("direct", "/not-you"))
        .reply()
        .await;
    reply.expect_problem(403, "address_refused");
}
