//! Callers whom somebody else knows: a service that says yes or no, an authorisation server, a monolith
//! with its session cookies.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use tests::upstream::Fake;
use tests::{Gateway, Reply, ReplyExt as _, assert_prompt};

use crate::GATEWAY;

/// A monolith that knows the session `good`, and others as they are told to it; counts how often it is asked.
struct Monolith {
    server: Fake,
    asked: Arc<AtomicU64>,
    /// What it says to everybody; 0: what it knows.
    status: Arc<AtomicU16>,
}

impl Monolith {
    async fn start() -> Self {
        let (asked, status) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU16::new(0)));
        let (counter, told) = (Arc::clone(&asked), Arc::clone(&status));
        let session = get(move |headers: HeaderMap| async move {
            counter.fetch_add(1, Ordering::SeqCst);
            match told.load(Ordering::SeqCst) {
                0 => session(&headers),
                // Longer than anybody waits.
                1 => {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    StatusCode::OK.into_response()
                }
                status => StatusCode::from_u16(status).unwrap().into_response(),
            }
        });
        let routes = Router::new().route("/session", session);
        Self {
            server: Fake::start(routes).await,
            asked,
            status,
        }
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

fn session(headers: &HeaderMap) -> Response {
    let cookie = headers.get("cookie").map(|value| value.to_str().unwrap());
    let told = |name: &str| {
        headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    };
    match cookie {
        Some(cookie) if cookie.contains("LEGACY=good") => [
            ("x-user-id", "42"),
            ("x-roles", "clerk"),
            (
                "x-saw",
                &format!("{} {}", told("x-forwarded-method"), told("x-forwarded-uri")),
            ),
        ]
        .into_response(),
        Some(cookie) if cookie.contains("LEGACY=banned") => (
            StatusCode::FORBIDDEN,
            [("content-type", "text/html")],
            "<h1>Banned</h1>",
        )
            .into_response(),
        _ => (
            StatusCode::FOUND,
            [
                ("location", "/login"),
                ("set-cookie", "next=1"),
                ("x-inner", "1"),
            ],
        )
            .into_response(),
    }
}

fn table(monolith: &Fake, service: &Fake, provider: &str, route: &str) -> String {
    format!(
        "upstreams:\n  legacy: {{ endpoints: ['{}'] }}\n  service: {{ endpoints: ['{}'] }}\n\
         auth:\n{provider}\nroutes:\n  \
         - {{ match: {{ prefix: / }}, to: {{ upstream: service }}, auth: {{ provider: who{route} }} }}\n",
        monolith.url(),
        service.url()
    )
}

async fn ask(gateway: &Gateway, path: &str, cookie: &str) -> Reply {
    let request = gateway.client().get(gateway.https(path));
    request.header("cookie", cookie).reply().await
}

#[tokio::test]
async fn a_service_says_yes_or_no_and_its_no_is_what_the_client_hears() {
    let (monolith, service) = (Monolith::start().await, Fake::echo("service").await);
    let provider = "  providers:\n    who:\n      \
         forward: { upstream: legacy, path: /session, claims: { sub: X-User-Id, saw: X-Saw } }\n      \
         claims_to_headers: { sub: X-User-Id, saw: X-Saw }\n";
    let gateway = Gateway::start(GATEWAY, &table(&monolith.server, &service, provider, "")).await;
    let seen = ask(&gateway, "/orders?a=1", "LEGACY=good")
        .await
        .expect(200)
        .json();
    assert_eq!(seen["headers"]["x-user-id"], "42");
    assert_eq!(seen["headers"]["x-saw"], "GET /orders?a=1");
    assert_eq!(seen["headers"]["cookie"], "LEGACY=good", "it is passed on");
    let login = ask(&gateway, "/orders", "LEGACY=old").await.expect(302);
    assert_eq!(
        (login.header("location"), login.header("set-cookie")),
        ("/login", "next=1")
    );
    assert!(
        !login.headers.contains_key("x-inner"),
        "only what clients are to know"
    );
    let banned = ask(&gateway, "/orders", "LEGACY=banned").await.expect(403);
    assert_eq!(banned.body, "<h1>Banned</h1>");
    assert_eq!(banned.header("x-gateway-error"), "access_denied");
    assert_eq!(monolith.asked(), 3, "each time");
    let refused = gateway.metric("gateway_auth_refused_total", &["who", "denied"]);
    assert!((refused.await - 2.0).abs() < 0.1);
}

#[tokio::test]
async fn whoever_does_not_answer_lets_nobody_in_and_is_not_waited_for() {
    let (monolith, service) = (Monolith::start().await, Fake::echo("service").await);
    let provider = "  providers: { who: { forward: { upstream: legacy, path: /session, claims: { sub: X-User-Id }, \
                    timeout: 300ms } } }\n";
    let gateway = Gateway::start(GATEWAY, &table(&monolith.server, &service, provider, "")).await;
    ask(&gateway, "/", "LEGACY=good").await.expect(200);
    let mut took = Vec::new();
    for status in [1, 1, 1, 500, 503] {
        monolith.status.store(status, Ordering::SeqCst);
        let started = Instant::now();
        let reply = ask(&gateway, "/", "LEGACY=good").await;
        reply.expect_problem(503, "auth_unavailable");
        took.push(started.elapsed());
    }
    assert_prompt("a refusal without an answer", took, Duration::from_secs(1));
    // A yes that does not say who it is is a yes all the same.
    monolith.status.store(204, Ordering::SeqCst);
    ask(&gateway, "/", "LEGACY=good").await.expect(200);
}

/// The session bridge: sessions of the monolith, tokens for the services.
fn bridge(folder: &Path) -> String {
    let key = folder.join("gateway.key");
    let pair = rcgen::KeyPair::generate().unwrap();
    std::fs::write(&key, pair.serialize_pem()).unwrap();
    format!(
        "  issuer: {{ name: 'https://gateway.test', key: '{}', audiences: [shop], lifetime: 60s }}\n  \
           providers:\n    who:\n      \
             forward: {{ upstream: legacy, path: /session, send: [cookie], cache: 30s, on_outage: {{ stale: 60s }}, \
                        claims: {{ sub: X-User-Id, roles: X-Roles, saw: X-Saw }} }}\n      \
             from: 'cookie:LEGACY'\n      exchange: true\n",
        key.display()
    )
}

#[tokio::test]
async fn an_old_login_becomes_a_short_token_for_new_services() {
    let (monolith, service) = (Monolith::start().await, Fake::echo("service").await);
    let folder = tempfile::tempdir().unwrap();
    let table = table(
        &monolith.server,
        &service,
        &bridge(folder.path()),
        ", roles: [clerk]",
    );
    let gateway = Gateway::start(GATEWAY, &table).await;
    let seen = ask(&gateway, "/orders", "a=1; LEGACY=good")
        .await
        .expect(200)
        .json();
    assert_eq!(seen["headers"]["x-user-id"], "42");
    assert_eq!(
        seen["headers"]["cookie"], "a=1",
        "services know no sessions"
    );
    let token = seen["headers"]["authorization"].as_str().unwrap();
    let token = token.strip_prefix("Bearer ").unwrap();

    let keys = gateway.admin("/jwks").await.expect(200).body;
    let keys: JwkSet = serde_json::from_str(&keys).unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let key = keys
        .find(&header.kid.unwrap())
        .expect("the key of the token");
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_audience(&["shop"]);
    rules.set_issuer(&["https://gateway.test"]);
    let key = DecodingKey::from_jwk(key).unwrap();
    let claims = jsonwebtoken::decode::<Value>(token, &key, &rules)
        .unwrap()
        .claims;
    assert_eq!(
        (&claims["sub"], &claims["roles"]),
        (&json!("42"), &json!("clerk"))
    );
    assert_eq!(
        claims["saw"], "",
        "a remembered yes is about the caller alone"
    );
    let lifetime = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(lifetime, 60);

    // Remembered, also while the monolith is away; a new session is not taken on trust.
    ask(&gateway, "/orders", "LEGACY=good").await.expect(200);
    assert_eq!(monolith.asked(), 2, "another header is another question");
    ask(&gateway, "/other", "LEGACY=good").await.expect(200);
    assert_eq!(monolith.asked(), 2);
    monolith.status.store(503, Ordering::SeqCst);
    ask(&gateway, "/orders", "LEGACY=good").await.expect(200);
    ask(&gateway, "/orders", "LEGACY=new")
        .await
        .expect_problem(503, "auth_unavailable");
    // Nobody needs to be asked about a caller who brings nothing.
    let before = monolith.asked();
    ask(&gateway, "/orders", "a=1")
        .await
        .expect_problem(401, "token_required");
    assert_eq!(monolith.asked(), before);
}

/// An authorisation server that knows the token `live-one`.
async fn authorisation_server(asked: Arc<AtomicU64>) -> Fake {
    let introspect = post(move |request: Request| async move {
        asked.fetch_add(1, Ordering::SeqCst);
        let basic = request.headers()["authorization"]
            .to_str()
            .unwrap()
            .to_owned();
        // `gateway` and `s+cr=t`, form-encoded.
        if basic != "Basic Z2F0ZXdheTpzJTJCY3IlM0R0" {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let body = axum::body::to_bytes(request.into_body(), 10_000)
            .await
            .unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Json(match body.as_str() {
            "token=live-one%2B%3D&token_type_hint=access_token" => {
                json!({ "active": true, "sub": "7", "scope": "read", "aud": "shop" })
            }
            "token=others&token_type_hint=access_token" => {
                json!({ "active": true, "sub": "8", "aud": "elsewhere" })
            }
            "token=garbled&token_type_hint=access_token" => json!({ "active": "yes" }),
            _ => json!({ "active": false }),
        })
        .into_response()
    });
    Fake::start(Router::new().route("/introspect", introspect)).await
}

#[tokio::test]
async fn an_authorisation_server_knows_its_tokens() {
    let asked = Arc::new(AtomicU64::new(0));
    let server = authorisation_server(Arc::clone(&asked)).await;
    let service = Fake::echo("service").await;
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "wrong\n").unwrap();
    let provider = format!(
        "  providers:\n    who:\n      introspection: {{ upstream: legacy, path: /introspect, client_id: gateway, \
         client_secret_file: '{}', audiences: [shop], cache: 30s }}\n",
        secret.display()
    );
    let table = table(&server, &service, &provider, ", scopes: [read]");
    let gateway = Gateway::start(GATEWAY, &table).await;
    let ask = async |token: &str| {
        let request = gateway.client().get(gateway.https("/"));
        request.bearer_auth(token).reply().await
    };
    // A secret that the server does not take is our fault; it is read again.
    ask("live-one+=")
        .await
        .expect_problem(503, "auth_unavailable");
    std::fs::write(&secret, "s+cr=t\n").unwrap();
    ask("live-one+=")
        .await
        .expect_problem(503, "auth_unavailable");
    let seen = ask("live-one+=").await.expect(200).json();
    assert_eq!(seen["headers"]["x-user-id"], "7");
    let questions = asked.load(Ordering::SeqCst);
    ask("live-one+=").await.expect(200);
    assert_eq!(asked.load(Ordering::SeqCst), questions, "remembered");
    ask("revoked").await.expect_problem(401, "invalid_token");
    ask("others").await.expect_problem(401, "invalid_token");
    ask("garbled").await.expect_problem(503, "auth_unavailable");
    let request = gateway.client().get(gateway.https("/"));
    request.reply().await.expect_problem(401, "token_required");
}
