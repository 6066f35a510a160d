//! An issuer's keys change under load, and callers name keys that nobody has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tests::load::{Load, Shot, assert_all};
use tests::upstream::Fake;
use tests::{Gateway, Issuer, PATIENCE, ReplyExt as _, eventually};

use crate::GATEWAY;

/// A gateway that has the issuer's keys.
async fn start(issuer: &Issuer, upstream: &Fake) -> Gateway {
    let table = format!(
        "{}upstreams:\n  service: {{ endpoints: [\"{}\"] }}\nroutes:\n  - {{ match: {{ prefix: / }}, to: {{ upstream: service }}, auth: {{ provider: shop }} }}\n",
        issuer.section(),
        upstream.url()
    );
    let gateway = Gateway::start(GATEWAY, &table).await;
    let token = issuer.token("1", "");
    eventually("the issuer's keys", PATIENCE, async || {
        let request = gateway.client().get(gateway.https("/")).bearer_auth(&token);
        (request.reply().await.status == 200).then_some(())
    })
    .await;
    gateway
}

/// The time within which 99 of 100 were answered.
fn p99(shots: &[Shot]) -> Duration {
    let mut times: Vec<_> = shots
        .iter()
        .map(|shot| shot.finished - shot.started)
        .collect();
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

#[tokio::test]
async fn keys_that_are_rotated_under_load_cost_nobody_an_answer() {
    let (issuer, upstream) = (Arc::new(Issuer::start().await), Fake::echo("service").await);
    let gateway = start(&issuer, &upstream).await;
    let (client, url) = (gateway.client(), gateway.https("/"));
    let (signer, customer) = (Arc::clone(&issuer), AtomicUsize::new(0));
    let load = Load::start(200, move || {
        // A token of its own for each request: none was verified before.
        let customer = customer.fetch_add(1, Ordering::Relaxed).to_string();
        client.get(&url).bearer_auth(signer.token(&customer, ""))
    });
    load.answers(100).await;
    let before = issuer.fetches();
    issuer.rotate();
    load.answers(300).await;
    let shots = load.finish().await;
    assert_all(&shots, 200);
    assert_eq!(issuer.fetches() - before, 1, "fetches for the new key");
    println!("{} requests, p99 {:?}", shots.len(), p99(&shots));
}

#[tokio::test]
async fn a_flood_of_unknown_keys_asks_the_issuer_once_and_keeps_nobody_waiting() {
    let (issuer, upstream) = (Issuer::start().await, Fake::echo("service").await);
    let gateway = start(&issuer, &upstream).await;
    let (client, url) = (gateway.client(), gateway.https("/"));
    let token = issuer.token("1", "");
    let honest = Load::start(50, move || client.get(&url).bearer_auth(&token));
    let (client, url) = (gateway.client(), gateway.https("/forged"));
    let (claims, forged) = (Issuer::claims("1", ""), AtomicUsize::new(0));
    let before = issuer.fetches();
    let flood = Load::start(300, move || {
        let key_id = format!("forged-{}", forged.fetch_add(1, Ordering::Relaxed));
        client
            .get(&url)
            .bearer_auth(Issuer::forged(&key_id, &claims))
    });
    flood.answers(600).await;
    let (flood, honest) = (flood.finish().await, honest.finish().await);
    assert_all(&flood, 401);
    assert_all(&honest, 200);
    // One each ten seconds, on a machine however slow.
    let lasted = flood.last().unwrap().finished - flood[0].started;
    let allowed = 1 + lasted.as_secs() / 10;
    let fetches = issuer.fetches() - before;
    assert!(
        fetches as u64 <= allowed && fetches >= 1,
        "{fetches} fetches in {lasted:?}"
    );
    println!(
        "{} unknown keys in {lasted:?}: {fetches} fetches, p99 of honest requests {:?}",
        flood.len(),
        p99(&honest)
    );
}
