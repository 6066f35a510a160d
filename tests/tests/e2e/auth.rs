//! Who is let in.

use std::path::Path;

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

/// The section of a provider of API keys beside an issuer's.
fn with_api_keys(issuer: &Issuer, folder: &Path) -> String {
    let file = folder.join("api-keys.yaml");
    format!(
        "{}    partners: {{ api_keys: {{ file: '{}' }} }}\n",
        issuer.section(),
        file.display()
    )
}

/// A new key for `id`, with the entry that the command line makes for it.
fn api_key(id: &str, more: &str) -> (String, String) {
    let made = std::process::Command::new(GATEWAY.0)
        .args(["api-key", id, "--output", "json"])
        .output()
        .unwrap();
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let sha256 = made["sha256"].as_str().unwrap();
    let entry = format!("  - {{ id: {id}, sha256: {sha256}, {more} }}\n");
    (made["key"].as_str().unwrap().to_owned(), entry)
}

#[tokio::test]
async fn api_keys_are_known_by_their_hashes_and_change_without_a_restart() {
    let (issuer, upstream) = (Issuer::start().await, Fake::echo("service").await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api-keys.yaml");
    let (old, old_entry) = api_key(
        "partner-1",
        "claims: { scope: 'orders:read', roles: [partner] }",
    );
    let (new, new_entry) = api_key("partner-2", "claims: { roles: [partner] }");
    std::fs::write(&file, format!("keys:\n{old_entry}")).unwrap();
    let table = format!(
        "{}upstreams: {{ service: {{ endpoints: ['{}'] }} }}\nroutes:\n  \
         - {{ match: {{ prefix: / }}, to: {{ upstream: service }}, auth: {{ provider: partners, roles: [partner] }} }}\n",
        with_api_keys(&issuer, folder.path()),
        upstream.url()
    );
    let mut gateway = Gateway::start(GATEWAY, &table).await;
    let ask = async |key: &str| {
        let request = gateway.client().get(gateway.https("/"));
        request.header("x-api-key", key).reply().await
    };
    let seen = ask(&old).await.expect(200).json();
    assert_eq!(seen["headers"]["x-user-id"], "partner-1");
    assert_eq!(
        seen["headers"]["x-api-key"],
        Value::Null,
        "the upstream needs no key"
    );
    let refused = ask(&new).await.expect(401);
    assert_eq!(
        refused.header("www-authenticate"),
        "ApiKey realm=\"partners\""
    );
    gateway.get("/").await.expect_problem(401, "token_required");

    std::fs::write(&file, format!("keys:\n{new_entry}")).unwrap();
    eventually("the new key to be taken", PATIENCE, async || {
        (ask(&new).await.status == 200).then_some(())
    })
    .await;
    ask(&old).await.expect_problem(401, "invalid_key");
    // A file that is no good takes nobody's key away.
    std::fs::write(&file, "keys: [ { id: x } ]").unwrap();
    let log = gateway
        .process
        .message("API keys refused; those known before serve on")
        .await;
    assert!(
        log["error"].as_str().unwrap().contains("api-keys.yaml:1:"),
        "{log}"
    );
    let refused = gateway.metric("gateway_api_keys_refused_total", &["partners"]);
    assert!(refused.await >= 1.0);
    ask(&new).await.expect(200);
    gateway.assert_sound();
}

/// Asks with a token, a key, both or neither.
async fn ask(gateway: &Gateway, path: &str, token: Option<&str>, key: Option<&str>) -> Reply {
    let mut request = gateway.client().get(gateway.https(path));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    request.reply().await
}

#[tokio::test]
async fn a_route_may_take_one_of_several_providers_or_ask_for_all_of_them() {
    let (issuer, upstream) = (Issuer::start().await, Fake::echo("service").await);
    let folder = tempfile::tempdir().unwrap();
    let (key, entry) = api_key("partner-1", "claims: { tenant: acme }");
    std::fs::write(
        folder.path().join("api-keys.yaml"),
        format!("keys:\n{entry}"),
    )
    .unwrap();
    let route = |path: &str, auth: &str| {
        format!(
            "  - {{ match: {{ prefix: {path} }}, to: {{ upstream: service }}, auth: {auth} }}\n"
        )
    };
    let table = format!(
        "{}upstreams: {{ service: {{ endpoints: ['{}'] }} }}\nroutes:\n{}{}",
        with_api_keys(&issuer, folder.path()),
        upstream.url(),
        route(
            "/any",
            "{ any: [ { provider: shop, claims: { tier: [gold, silver] } }, { provider: partners } ] }"
        ),
        route(
            "/all",
            "{ all: [ { provider: shop }, { provider: partners, claims: { tenant: acme } } ] }"
        ),
    );
    let gateway = Gateway::start(GATEWAY, &table).await;
    let mut claims = Issuer::claims("42", "profile");
    claims["tier"] = json!("gold");
    let (gold, plain) = (issuer.sign(&claims), issuer.token("43", "profile"));
    eventually(
        "the gateway to have the issuer's keys",
        PATIENCE,
        async || (get(&gateway, "/any", &gold).await.status == 200).then_some(()),
    )
    .await;
    ask(&gateway, "/any", None, Some(&key)).await.expect(200);
    ask(&gateway, "/any", Some(&plain), None)
        .await
        .expect_problem(403, "forbidden");
    ask(&gateway, "/any", Some(&plain), Some(&key))
        .await
        .expect(200);
    let refused = ask(&gateway, "/any", None, None).await;
    let refused = refused.expect(401);
    let challenges: Vec<_> = refused.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(
        challenges,
        ["Bearer realm=\"shop\"", "ApiKey realm=\"partners\""]
    );

    ask(&gateway, "/all", Some(&gold), Some(&key))
        .await
        .expect(200);
    ask(&gateway, "/all", Some(&gold), None)
        .await
        .expect_problem(401, "token_required");
    ask(&gateway, "/all", None, Some(&key))
        .await
        .expect_problem(401, "token_required");
}

#[tokio::test]
async fn a_token_may_come_in_a_cookie_or_in_the_query_where_the_route_says_so() {
    let (issuer, upstream) = (Issuer::start().await, Fake::echo("service").await);
    let table = format!(
        "{}upstreams: {{ service: {{ endpoints: ['{}'] }} }}\nroutes:\n  \
         - {{ match: {{ prefix: / }}, to: {{ upstream: service }}, \
              auth: {{ provider: shop, from: ['cookie:token', 'query:token'] }} }}\n",
        issuer.section(),
        upstream.url()
    );
    let gateway = Gateway::start(GATEWAY, &table).await;
    let token = issuer.token("42", "profile");
    let url = format!("/query?a=1&token={token}");
    eventually(
        "the gateway to have the issuer's keys",
        PATIENCE,
        async || (ask(&gateway, &url, None, None).await.status == 200).then_some(()),
    )
    .await;
    ask(&gateway, "/query", Some(&token), None)
        .await
        .expect(401);
    let seen = ask(&gateway, &url, None, None).await.expect(200).json();
    assert_eq!(seen["headers"]["x-user-id"], "42");
    let line = gateway.access_line("/query").await;
    assert!(!line.to_string().contains(&token), "{line}");
    let request = gateway.client().get(gateway.https("/query"));
    let request = request.header("cookie", format!("a=1; token={token}"));
    request.reply().await.expect(200);
}

#[tokio::test]
async fn a_start_while_the_issuer_is_away_goes_by_the_keys_it_had() {
    let (issuer, upstream) = (Issuer::start().await, Fake::echo("service").await);
    let state = tempfile::tempdir().unwrap();
    let table = Gateway::table(&table(&issuer.section(), &upstream));
    let environment = [("STATE_DIRECTORY", state.path().display().to_string())];
    let token = issuer.token("1", "orders:read");
    let first = Gateway::start_table(GATEWAY, &table, &environment).await;
    eventually("the keys to be kept", PATIENCE, async || {
        let kept = std::fs::read_dir(state.path().join("keys")).ok()?.flatten();
        let is_whole = |name: std::ffi::OsString| name.to_str().unwrap().ends_with(".json");
        kept.map(|entry| entry.file_name())
            .any(is_whole)
            .then_some(())
    })
    .await;
    drop(first);
    drop(issuer);
    let second = Gateway::start_table(GATEWAY, &table, &environment).await;
    get(&second, "/closed", &token).await.expect(200);
    get(&second, "/closed", "x.y.z").await.expect(401);
}
