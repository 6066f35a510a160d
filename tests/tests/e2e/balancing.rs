//! Which endpoint gets a request: policies, weights, zones, priorities, sticky cookies.

use std::collections::HashMap;

use reqwest::Client;
use tests::upstream::{Node, Refused};
use tests::{Edit, Gateway, PATIENCE, Reply, ReplyExt as _, eventually};

use crate::GATEWAY;

/// A table with one upstream of these endpoints, in which `extra` is said of it.
fn table(endpoints: &[String], extra: &str) -> String {
    let endpoints = endpoints.join(", ");
    format!(
        r#"upstreams:
  pool: {{ endpoints: [{endpoints}]{extra} }}
routes:
  - {{ match: {{ prefix: / }}, to: {{ upstream: pool }} }}
"#
    )
}

async fn nodes<const N: usize>(names: [&'static str; N]) -> [Node; N] {
    let mut started = Vec::new();
    for name in names {
        started.push(Node::start(name).await);
    }
    started.try_into().unwrap()
}

fn urls(nodes: &[Node]) -> Vec<String> {
    nodes
        .iter()
        .map(|node| format!("\"{}\"", node.url()))
        .collect()
}

/// Which node has answered.
#[track_caller]
fn name_of(reply: &Reply) -> String {
    let name = &reply.json()["name"];
    name.as_str().unwrap().to_owned()
}

/// How many of `count` requests each node answers.
async fn shares(gateway: &Gateway, client: &Client, count: usize) -> HashMap<String, usize> {
    let mut shares = HashMap::new();
    for _ in 0..count {
        let reply = client.get(gateway.https("/")).reply().await.expect(200);
        *shares.entry(name_of(&reply)).or_default() += 1;
    }
    shares
}

#[tokio::test]
async fn round_robin_serves_by_weight() {
    let nodes = nodes(["heavy", "light"]).await;
    let endpoints = [
        format!("{{ url: \"{}\", weight: 3 }}", nodes[0].url()),
        format!("\"{}\"", nodes[1].url()),
    ];
    let table = table(&endpoints, ", balance: round_robin");
    let mut gateway = Gateway::start(GATEWAY, &table).await;
    let shares = shares(&gateway, &gateway.client(), 80).await;
    assert!(shares["heavy"].abs_diff(60) <= 2, "{shares:?}");
    assert_eq!(gateway.endpoint(&nodes[0].address()).await["weight"], 3);
    gateway.assert_sound();
}

#[tokio::test]
async fn random_serves_by_weight() {
    let nodes = nodes(["heavy", "light"]).await;
    let endpoints = [
        format!("{{ url: \"{}\", weight: 9 }}", nodes[0].url()),
        format!("\"{}\"", nodes[1].url()),
    ];
    let gateway = Gateway::start(GATEWAY, &table(&endpoints, ", balance: random")).await;
    let shares = shares(&gateway, &gateway.client(), 200).await;
    // 180 expected; this is more than seven standard deviations away.
    assert!(shares["heavy"] > 145, "{shares:?}");
    assert!(
        shares.get("light").is_some_and(|light| *light > 0),
        "{shares:?}"
    );
}

#[tokio::test]
async fn least_request_leaves_the_busy_endpoint_alone() {
    let nodes = nodes(["one", "other"]).await;
    let table = table(&urls(&nodes), ", balance: least_request");
    let gateway = Gateway::start(GATEWAY, &table).await;
    let client = gateway.client();
    let hanging = tokio::spawn(client.get(gateway.https("/hang")).reply());
    let busy = eventually("a request to hang", PATIENCE, async || {
        nodes.iter().position(|node| node.requests() == 1)
    })
    .await;
    let idle = ["one", "other"][1 - busy];
    assert_eq!(shares(&gateway, &client, 20).await[idle], 20);
    nodes[busy].let_go();
    hanging.await.unwrap().expect(200);
}

#[tokio::test]
async fn an_overloaded_endpoint_is_spared_by_peak_ewma() {
    let nodes = nodes(["overloaded", "well"]).await;
    let endpoints = urls(&nodes);
    // Nothing else takes it out, and nobody is asked twice.
    let table = table(&endpoints, ", outlier: { gateway_failures: 0 }").replace(
        "to: { upstream: pool }",
        "to: { upstream: pool }, retries: 0",
    );
    nodes[0].answer_with(429);
    let gateway = Gateway::start(GATEWAY, &table).await;
    let client = gateway.client();
    eventually("the first refusal", PATIENCE, async || {
        let reply = client.get(gateway.https("/")).reply().await;
        (reply.status == 429).then_some(())
    })
    .await;
    // Its refusals are quicker than any answer, and count as slow.
    assert_eq!(shares(&gateway, &client, 30).await["well"], 30);
}

/// Which node answers each of 60 tenants.
async fn owners(gateway: &Gateway, client: &Client) -> Vec<String> {
    let mut owners = Vec::new();
    for tenant in 0..60 {
        let request = client.get(gateway.https("/")).header("x-tenant", tenant);
        owners.push(name_of(&request.reply().await.expect(200)));
    }
    owners
}

#[tokio::test]
async fn maglev_keeps_a_key_at_its_endpoint_and_moves_few_when_one_leaves() {
    let nodes = nodes(["a", "b", "c", "d"]).await;
    let extra = ", balance: maglev, hash: 'header:X-Tenant'";
    let mut gateway = Gateway::start(GATEWAY, &table(&urls(&nodes), extra)).await;
    let client = gateway.client();
    let before = owners(&gateway, &client).await;
    assert_eq!(owners(&gateway, &client).await, before);
    for name in ["a", "b", "c", "d"] {
        assert!(
            before.iter().any(|owner| owner == name),
            "{name}: {before:?}"
        );
    }
    // Everybody is listed in another order, and one is gone.
    let mut left = urls(&nodes[..3]);
    left.reverse();
    gateway
        .edit(Edit::Rename, &Gateway::table(&table(&left, extra)))
        .await;
    let after = owners(&gateway, &client).await;
    let pairs = before.iter().zip(&after).filter(|(owner, _)| *owner != "d");
    let moved = pairs.filter(|(before, after)| before != after).count();
    assert!(moved <= 6, "{moved} of 60\n{before:?}\n{after:?}");
    // Without the header it is the client's address, and there is one client.
    assert_eq!(shares(&gateway, &client, 10).await.len(), 1);
}

#[tokio::test]
async fn bounded_maglev_keeps_a_key_at_its_endpoint_until_that_is_full() {
    let nodes = nodes(["a", "b"]).await;
    let extra = ", balance: bounded_maglev, hash: 'header:X-Tenant'";
    let gateway = Gateway::start(GATEWAY, &table(&urls(&nodes), extra)).await;
    let client = gateway.client();
    let ask = |path: &str| client.get(gateway.https(path)).header("x-tenant", "one");
    let own = name_of(&ask("/").reply().await.expect(200));
    let (own, other) = if own == "a" { (0, "b") } else { (1, "a") };
    // Two of three in flight are more than 1.25 times the half.
    let hanging = [0, 1].map(|_| tokio::spawn(ask("/hang").reply()));
    eventually("two requests to hang", PATIENCE, async || {
        (nodes[own].requests() == 3).then_some(())
    })
    .await;
    for _ in 0..10 {
        assert_eq!(name_of(&ask("/").reply().await.expect(200)), other);
    }
    for _ in &hanging {
        nodes[own].let_go();
    }
    for hanging in hanging {
        hanging.await.unwrap().expect(200);
    }
    assert_ne!(name_of(&ask("/").reply().await.expect(200)), other);
}

#[tokio::test]
async fn the_own_zone_serves_until_it_cannot() {
    let nodes = nodes(["near", "far"]).await;
    let endpoints = [
        format!("{{ url: \"{}\", zone: a }}", nodes[0].url()),
        format!("{{ url: \"{}\", zone: b }}", nodes[1].url()),
    ];
    let health = ", health: { path: /health, interval: 100ms, unhealthy_after: 1 }";
    let table = format!("zone: a\n{}", table(&endpoints, health));
    let mut gateway = Gateway::start(GATEWAY, &table).await;
    let client = gateway.client();
    assert_eq!(shares(&gateway, &client, 20).await["near"], 20);
    nodes[0].tell_checks(503);
    let near = gateway
        .wait_for_state(&nodes[0].address(), "unhealthy", "status 503")
        .await;
    assert_eq!(near["zone"], "a");
    assert_eq!(shares(&gateway, &client, 20).await["far"], 20);
    nodes[0].tell_checks(200);
    gateway
        .wait_for_state(&nodes[0].address(), "available", "")
        .await;
    assert_eq!(shares(&gateway, &client, 20).await["near"], 20);
    gateway.assert_sound();
}

#[tokio::test]
async fn the_next_priority_serves_while_the_first_is_out() {
    let nodes = nodes(["first", "second"]).await;
    let endpoints = [
        format!("\"{}\"", nodes[0].url()),
        format!("{{ url: \"{}\", priority: 1 }}", nodes[1].url()),
    ];
    let extra =
        ", balance: round_robin, health: { path: /health, interval: 100ms, unhealthy_after: 1 }";
    let gateway = Gateway::start(GATEWAY, &table(&endpoints, extra)).await;
    let client = gateway.client();
    assert_eq!(shares(&gateway, &client, 20).await["first"], 20);
    nodes[0].tell_checks(500);
    gateway
        .wait_for_state(&nodes[0].address(), "unhealthy", "status 500")
        .await;
    assert_eq!(shares(&gateway, &client, 20).await["second"], 20);
    nodes[1].tell_checks(500);
    gateway
        .wait_for_state(&nodes[1].address(), "unhealthy", "status 500")
        .await;
    // Nobody is well: then the checks are doubted.
    assert_eq!(shares(&gateway, &client, 40).await.len(), 2);
    let panic = gateway.metric("gateway_upstream_panic", &["pool"]).await;
    assert!((panic - 1.0).abs() < f64::EPSILON);
    nodes[0].tell_checks(200);
    gateway
        .wait_for_state(&nodes[0].address(), "available", "")
        .await;
    assert_eq!(shares(&gateway, &client, 20).await["first"], 20);
}

/// The `Set-Cookie` of an answer, without its value, and the cookie as a client sends it back.
#[track_caller]
fn cookie(reply: &Reply) -> Option<(String, String)> {
    let set = reply.header("set-cookie");
    let (pair, attributes) = set.split_once("; ")?;
    Some((attributes.to_owned(), pair.to_owned()))
}

const STICKY: &str = ", balance: round_robin, sticky: { cookie: node, ttl: 1h }";

#[tokio::test]
async fn a_sticky_cookie_brings_a_client_back_and_no_upstream_sees_it() {
    let nodes = nodes(["a", "b", "c"]).await;
    // A prefix that upstreams' own cookies get back must not be put into ours.
    let extra = format!("{STICKY}, strip_prefix: /app");
    let mut gateway = Gateway::start(GATEWAY, &table(&urls(&nodes), &extra)).await;
    let client = gateway.client();
    let first = client.get(gateway.https("/app/")).reply().await.expect(200);
    let (attributes, pair) = cookie(&first).expect("a cookie");
    assert_eq!(
        attributes,
        "Path=/; HttpOnly; SameSite=Lax; Max-Age=3600; Secure"
    );
    let port = nodes[0].url().rsplit_once(':').unwrap().1.to_owned();
    assert!(
        !pair.contains("127.0.0.1") && !pair.contains(&port),
        "{pair}"
    );
    for _ in 0..10 {
        let request = client.get(gateway.https("/app/"));
        let request = request.header("cookie", format!("a=1; {pair}; b=2"));
        let reply = request.reply().await.expect(200);
        assert_eq!(name_of(&reply), name_of(&first));
        assert_eq!(reply.json()["cookie"], "a=1; b=2");
        assert_eq!(cookie(&reply), None, "it has the right one already");
    }
    // Without it, everybody is asked in turn.
    let plain = gateway.http("plain", "/app/");
    let mut seen = Vec::new();
    for _ in 0..3 {
        let reply = client.get(&plain).reply().await.expect(200);
        let (attributes, _) = cookie(&reply).expect("a cookie");
        assert!(
            !attributes.contains("Secure"),
            "came without TLS: {attributes}"
        );
        seen.push(name_of(&reply));
    }
    seen.sort();
    assert_eq!(seen, ["a", "b", "c"]);
    gateway.assert_sound();
}

#[tokio::test]
async fn a_client_whose_endpoint_is_gone_gets_another_and_another_cookie() {
    let [well] = nodes(["well"]).await;
    let (leaving, nobody) = (Node::start("leaving").await, Refused::new());
    let endpoints = |other: &str| vec![format!("\"{other}\""), format!("\"{}\"", well.url())];
    let table = |other: &str| table(&endpoints(other), STICKY);
    let mut gateway = Gateway::start(GATEWAY, &table(&leaving.url())).await;
    let client = gateway.client();
    let pair = eventually("the one that will leave", PATIENCE, async || {
        let reply = client.get(gateway.https("/")).reply().await.expect(200);
        (name_of(&reply) == "leaving").then(|| cookie(&reply).expect("a cookie").1)
    })
    .await;
    gateway
        .edit(Edit::InPlace, &Gateway::table(&table(&nobody.url())))
        .await;
    let request = client.get(gateway.https("/")).header("cookie", &pair);
    let reply = request.reply().await.expect(200);
    assert_eq!(name_of(&reply), "well");
    let (_, renewed) = cookie(&reply).expect("a new cookie");
    assert_ne!(renewed, pair);
    let request = client.get(gateway.https("/")).header("cookie", &renewed);
    assert_eq!(cookie(&request.reply().await.expect(200)), None);
}

#[tokio::test]
async fn one_upstreams_sticky_cookie_is_not_shown_to_another() {
    let nodes = nodes(["tied", "free"]).await;
    let table = format!(
        r#"upstreams:
  tied: {{ endpoints: ["{}"], sticky: {{ cookie: node }} }}
  free: {{ endpoints: ["{}"] }}
routes:
  - {{ match: {{ prefix: /tied }}, to: {{ upstream: tied }} }}
  - {{ match: {{ prefix: /free }}, to: {{ upstream: free }} }}
"#,
        nodes[0].url(),
        nodes[1].url()
    );
    let gateway = Gateway::start(GATEWAY, &table).await;
    let client = gateway.client();
    let request = client.get(gateway.https("/free"));
    let request = request.header("cookie", "node=000000000000002a; session=7");
    let reply = request.reply().await.expect(200);
    assert_eq!(name_of(&reply), "free");
    assert_eq!(reply.json()["cookie"], "session=7");
    assert_eq!(cookie(&reply), None);
}
