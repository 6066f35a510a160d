//! A provider of tokens in the test's own process.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PublicKeyData as _};
use serde_json::{Value, json};

use crate::upstream::Fake;

/// Serves its keys at `/jwks` and signs whatever it is asked to.
#[derive(Debug)]
pub struct Issuer {
    server: Fake,
    keys: Arc<Mutex<Vec<SigningKey>>>,
}

/// The newest one signs; all are published.
#[derive(Debug)]
struct SigningKey {
    id: String,
    pair: KeyPair,
}

impl SigningKey {
    fn new(id: String) -> Self {
        let pair = KeyPair::generate().unwrap();
        Self { id, pair }
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header {
            kid: Some(self.id.clone()),
            typ: Some("at+jwt".to_owned()),
            ..Header::new(Algorithm::ES256)
        };
        let key = EncodingKey::from_ec_der(self.pair.serialized_der());
        jsonwebtoken::encode(&header, claims, &key).unwrap()
    }

    fn jwk(&self) -> Value {
        // An uncompressed point: a marker, then both coordinates.
        let (x, y) = self.pair.der_bytes()[1..].split_at(32);
        json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.id,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }
}

impl Issuer {
    /// The `iss` of honest tokens.
    pub const NAME: &str = "https://issuer.example";

    /// The `aud` of honest tokens.
    pub const AUDIENCE: &str = "shop";

    /// Starts it with a new key.
    ///
    /// # Panics
    /// When the machine has no randomness or no port.
    pub async fn start() -> Self {
        let keys = Arc::new(Mutex::new(vec![SigningKey::new("key-1".to_owned())]));
        let published = Arc::clone(&keys);
        let jwks = async move || {
            let keys = published.lock().expect("nobody panics with the keys");
            Json(json!({ "keys": keys.iter().map(SigningKey::jwk).collect::<Vec<_>>() }))
        };
        let routes = Router::new().route("/jwks", get(jwks));
        Self {
            server: Fake::start(routes).await,
            keys,
        }
    }

    /// Signs with a new key from now on. The old ones are still published.
    ///
    /// # Panics
    /// When the machine has no randomness.
    pub fn rotate(&self) {
        let mut keys = self.keys.lock().unwrap();
        let id = format!("key-{}", keys.len() + 1);
        keys.push(SigningKey::new(id));
    }

    /// How often the keys were asked for.
    pub fn fetches(&self) -> usize {
        self.server.requests()
    }

    /// The table's `auth:` section for a provider named `shop`.
    pub fn section(&self) -> String {
        format!(
            "auth:\n  providers:\n    shop: {{ issuer: \"{}\", jwks_uri: \"{}/jwks\", audiences: [{}], algorithms: [ES256] }}\n",
            Self::NAME,
            self.server.url(),
            Self::AUDIENCE,
        )
    }

    /// Claims that a gateway accepts for five minutes.
    ///
    /// # Panics
    /// When the clock is before 1970.
    pub fn claims(subject: &str, scope: &str) -> Value {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        json!({
            "iss": Self::NAME, "aud": Self::AUDIENCE, "sub": subject, "scope": scope,
            "iat": now, "exp": now + 300,
        })
    }

    /// A token that a gateway accepts.
    pub fn token(&self, subject: &str, scope: &str) -> String {
        self.sign(&Self::claims(subject, scope))
    }

    /// A token with any claims.
    ///
    /// # Panics
    /// When the claims can't be signed.
    pub fn sign(&self, claims: &Value) -> String {
        let keys = self.keys.lock().unwrap();
        keys.last().expect("an issuer has a key").sign(claims)
    }

    /// A token whose key nobody has published.
    ///
    /// # Panics
    /// When the machine has no randomness.
    pub fn forged(key_id: &str, claims: &Value) -> String {
        SigningKey::new(key_id.to_owned()).sign(claims)
    }

    /// A token that says it needs no signature.
    pub fn unsigned(claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!(
            "{}.{}.",
            part(&json!({ "alg": "none", "typ": "JWT" })),
            part(claims)
        )
    }
}
