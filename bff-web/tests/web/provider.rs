//! An OpenID provider whose answers a test decides.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;

use crate::bff::ISSUER;

pub(crate) struct Key {
    private: EncodingKey,
    public: Jwk,
}

impl Key {
    pub(crate) fn generate() -> Self {
        let random = SystemRandom::new();
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let private = EncodingKey::from_ec_der(pkcs8.as_ref());
        let mut public = Jwk::from_encoding_key(&private, Algorithm::ES256).unwrap();
        public.common.key_id = Some("key-1".to_owned());
        Self { private, public }
    }
}

/// What a code is good for.
#[derive(Debug, Clone)]
struct Grant {
    code: String,
    challenge: String,
    claims: Value,
}

/// The provider's next answers.
struct Plan {
    grant: Option<Grant>,
    signs_with: Key,
    /// Status instead of tokens.
    fails: Option<u16>,
    expires_in: u64,
    refresh_token: Option<&'static str>,
    asked: Vec<BTreeMap<String, String>>,
}

#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) url: String,
    keys: JwkSet,
    plan: Arc<Mutex<Plan>>,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let key = Key::generate();
        let plan = Plan {
            grant: None,
            fails: None,
            expires_in: 300,
            refresh_token: None,
            asked: Vec::new(),
            signs_with: Key {
                private: key.private,
                public: key.public.clone(),
            },
        };
        let provider = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            keys: JwkSet {
                keys: vec![key.public],
            },
            plan: Arc::new(Mutex::new(plan)),
        };
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route(
                "/jwks",
                get(|State(provider): State<Self>| async move { Json(provider.keys) }),
            )
            .route("/token", post(token))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        provider
    }

    /// A person has signed in: this code is now good for an ID token with these claims.
    pub(crate) fn grant(&self, code: &str, challenge: &str, claims: Value) {
        let (code, challenge) = (code.to_owned(), challenge.to_owned());
        self.plan.lock().unwrap().grant = Some(Grant {
            code,
            challenge,
            claims,
        });
    }

    /// Signs with a key that the key set has not.
    pub(crate) fn sign_with_another_key(&self) {
        self.plan.lock().unwrap().signs_with = Key::generate();
    }

    pub(crate) fn fail(&self, status: u16) {
        self.plan.lock().unwrap().fails = Some(status);
    }

    pub(crate) fn work_again(&self) {
        self.plan.lock().unwrap().fails = None;
    }

    pub(crate) fn give(&self, expires_in: u64, refresh_token: Option<&'static str>) {
        let mut plan = self.plan.lock().unwrap();
        (plan.expires_in, plan.refresh_token) = (expires_in, refresh_token);
    }

    /// Forms that the token endpoint was sent.
    pub(crate) fn asked(&self) -> Vec<BTreeMap<String, String>> {
        self.plan.lock().unwrap().asked.clone()
    }
}

/// The claims of a good ID token.
pub(crate) fn claims(nonce: &str) -> Value {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    json!({
        "iss": ISSUER, "aud": "bff-web", "sub": "1", "name": "Harbour Books",
        "nonce": nonce, "iat": now, "exp": now + 300,
    })
}

async fn metadata() -> Json<Value> {
    Json(json!({
        "issuer": ISSUER,
        "authorization_endpoint": format!("{ISSUER}/authorize"),
        "token_endpoint": format!("{ISSUER}/token"),
        "jwks_uri": format!("{ISSUER}/jwks"),
        "end_session_endpoint": format!("{ISSUER}/end-session"),
    }))
}

async fn token(
    State(provider): State<Provider>,
    headers: HeaderMap,
    Form(form): Form<BTreeMap<String, String>>,
) -> Response {
    let mut plan = provider.plan.lock().unwrap();
    plan.asked.push(form.clone());
    if let Some(status) = plan.fails {
        return StatusCode::from_u16(status).unwrap().into_response();
    }
    let client = format!("Basic {}", STANDARD.encode("bff-web:agreed"));
    if headers
        .get("authorization")
        .is_none_or(|sent| *sent != *client)
    {
        return refusal(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let count = plan.asked.len();
    let tokens = |plan: &Plan| {
        json!({
            "access_token": format!("access-{count}"), "token_type": "Bearer",
            "expires_in": plan.expires_in, "refresh_token": plan.refresh_token,
        })
    };
    if form["grant_type"] == "refresh_token" {
        return Json(tokens(&plan)).into_response();
    }
    let Some(grant) = plan.grant.take() else {
        return refusal(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    let proof = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    let fits = form["grant_type"] == "authorization_code"
        && form["code"] == grant.code
        && form["redirect_uri"] == "https://shop.test/web/callback"
        && proof == grant.challenge;
    if !fits {
        return refusal(StatusCode::BAD_REQUEST, "invalid_grant");
    }
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("key-1".to_owned());
    let mut answer = tokens(&plan);
    answer["id_token"] = encode(&header, &grant.claims, &plan.signs_with.private)
        .unwrap()
        .into();
    Json(answer).into_response()
}

fn refusal(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}
