//! Who is let in.

use serde_json::{Value, json};
use tests::upstream::{Fake, Refused};
use tests::{Gateway, Issuer, PATIENCE, Reply, ReplyExt as _, eventually};

use crate::GATEWAY;

fn table(issuer: &str, upstream: &Fake) -> String {
    format!(
        r#"{issuer}upstreams:
  service: {{ endpoints: ["{}"] }}
routes:
  - match: {{ prefix: /closed }}
    to: {{ upstream: service }}
    auth: {{ provider: shop, scopes: ["orders:read"] }}
  - match: {{ prefix: /optional }}
    to: {{ upstream: service }}
    auth: {{ provider: shop, optional: true }}
  - match: {{ prefix: /open }}
    to: {{ upstream: service }}
    auth: none
"#,
        upstream.url()
    )
}

/// A gateway, its issuer and its upstream; the gateway has the issuer's keys already.
async fn start() -> (Gateway, Issuer, Fake) {
    let (issuer, upstream) = (Issuer::start().await, Fake::echo("service").await);
    let gateway = Gateway::start(GATEWAY, &table(&issuer.section(), &upstream)).await;
    let token = issuer.token("1", "orders:read");
    eventually(
        "the gateway to have the issuer's keys",
        PATIENCE,
        async || (get(&gateway, "/closed", &token).await.status != 503).then_some(()),
    )
    .await;
    (gateway, issuer, upstream)
}

async fn get(gateway: &Gateway, path: &str, token: &str) -> Reply {
    gateway
        .client()
        .get(gateway.https(path))
        .bearer_auth(token)
        .reply()
        .await
}

#[tokio::test]
async fn a_good_token_opens_and_tells_the_upstream_who_asks() {
    let (gateway, issuer, _upstream) = start().await;
    let token = issuer.token("42", "orders:read profile");
    let seen = get(&gateway, "/closed", &token).await.expect(200).json();
    assert_eq!(seen["headers"]["x-user-id"], "42");
    assert_eq!(seen["headers"]["x-user-scopes"], "orders:read profile");
}

#[tokio::test]
async fn without_a_token_the_answer_says_how_to_get_in() {
    let (gateway, _issuer, upstream) = start().await;
    let before = upstream.requests();
    let reply = gateway.get("/closed").await;
    assert!(
        reply.header("www-authenticate").starts_with("Bearer"),
        "{reply:?}"
    );
    reply.expect_problem(401, "token_required");
    assert_eq!(upstream.requests(), before, "the request went no further");
}

#[tokio::test]
async fn bad_tokens_stay_outside() {
    let (gateway, issuer, upstream) = start().await;
    let with = |name: &str, value: Value| {
        let mut claims = Issuer::claims("1", "orders:read");
        claims[name] = value;
        claims
    };
    let long_ago = with("exp", json!(1_000_000_000));
    let other_key = Issuer::start().await;
    let mut no_expiry = Issuer::claims("1", "orders:read");
    no_expiry.as_object_mut().unwrap().remove("exp");
    let before = upstream.requests();
    for (what, token) in [
        ("expired", issuer.sign(&long_ago)),
        (
            "of another issuer",
            issuer.sign(&with("iss", json!("https://evil.example"))),
        ),
        (
            "for another audience",
            issuer.sign(&with("aud", json!("bank"))),
        ),
        (
            "not yet valid",
            issuer.sign(&with("nbf", json!(9_000_000_000_u64))),
        ),
        ("without an expiry", issuer.sign(&no_expiry)),
        (
            "unsigned",
            Issuer::unsigned(&Issuer::claims("1", "orders:read")),
        ),
        ("signed by another key", other_key.token("1", "orders:read")),
        ("no token at all", "a.b.c".to_owned()),
    ] {
        for path in ["/closed", "/optional"] {
            let reply = get(&gateway, path, &token).await;
            assert_eq!(reply.status, 401, "{what} at {path}: {reply:?}");
            let challenge = reply.header("www-authenticate");
            assert!(
                challenge.contains("error=\"invalid_token\""),
                "{what}: {challenge}"
            );
        }
    }
    assert_eq!(upstream.requests(), before, "no request went further");
}

#[tokio::test]
async fn a_token_without_the_scope_is_told_which_it_needs() {
    let (gateway, issuer, _upstream) = start().await;
    let reply = get(&gateway, "/closed", &issuer.token("1", "profile")).await;
    let challenge = reply.header("www-authenticate").to_owned();
    reply.expect_problem(403, "insufficient_scope");
    assert!(challenge.contains("scope=\"orders:read\""), "{challenge}");
}

#[tokio::test]
async fn nobody_says_by_himself_who_he_is() {
    let (gateway, issuer, _upstream) = start().await;
    for path in ["/open", "/optional"] {
        let request = gateway.client().get(gateway.https(path));
        let request = request.header("x-user-id", "1").header("x_user_id", "1");
        let seen = request
            .header("x-user-scopes", "admin")
            .reply()
            .await
            .expect(200)
            .json();
        for name in ["x-user-id", "x_user_id", "x-user-scopes"] {
            assert_eq!(seen["headers"][name], Value::Null, "{name} at {path}");
        }
    }
    // A claim that the token lacks leaves no gap for the client's word.
    let mut claims = Issuer::claims("42", "orders:read");
    claims.as_object_mut().unwrap().remove("sub");
    let request = gateway.client().get(gateway.https("/optional"));
    let request = request
        .bearer_auth(issuer.sign(&claims))
        .header("x-user-id", "1");
    let reply = request.reply().await;
    let believed = reply.status == 200 && reply.json()["headers"]["x-user-id"] == "1";
    assert!(!believed, "{reply:?}");
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_our_fault_and_not_the_clients() {
    let (issuer, upstream) = (Issuer::start().await, Fake::echo("service").await);
    let nobody = Refused::new();
    let keys = format!("{}/jwks", nobody.url());
    let section = format!(
        "auth:\n  providers:\n    shop: {{ issuer: \"{}\", jwks_uri: \"{keys}\", audiences: [shop], algorithms: [ES256] }}\n",
        Issuer::NAME
    );
    let gateway = Gateway::start(GATEWAY, &table(&section, &upstream)).await;
    let reply = get(&gateway, "/closed", &issuer.token("1", "orders:read")).await;
    reply.expect_problem(503, "keys_unavailable");
    gateway.get("/closed").await.expect(401);
    gateway.get("/open").await.expect(200);
}
