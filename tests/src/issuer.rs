//! A provider of tokens in the test's own process.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PublicKeyData as _};
use serde_json::{Value, json};

use crate::upstream::Fake;

/// Serves its key at `/jwks` and signs whatever it is asked to.
#[derive(Debug)]
pub struct Issuer {
    server: Fake,
    key: KeyPair,
}

impl Issuer {
    /// The `iss` of honest tokens.
    pub const NAME: &str = "https://issuer.example";

    /// The `aud` of honest tokens.
    pub const AUDIENCE: &str = "shop";

    const KEY_ID: &str = "key-1";

    /// Starts it with a new key.
    ///
    /// # Panics
    /// When the machine has no randomness or no port.
    pub async fn start() -> Self {
        let key = KeyPair::generate().unwrap();
        // An uncompressed point: a marker, then both coordinates.
        let (x, y) = key.der_bytes()[1..].split_at(32);
        let jwks = json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": Self::KEY_ID,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        }] });
        let routes = Router::new().route("/jwks", get(async || Json(jwks)));
        Self {
            server: Fake::start(routes).await,
            key,
        }
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
        let header = Header {
            kid: Some(Self::KEY_ID.to_owned()),
            typ: Some("at+jwt".to_owned()),
            ..Header::new(Algorithm::ES256)
        };
        let key = EncodingKey::from_ec_der(self.key.serialized_der());
        jsonwebtoken::encode(&header, claims, &key).unwrap()
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
