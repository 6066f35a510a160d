//! An issuer of tokens for tests: fresh keys, good tokens, and as many kinds of bad ones as one can think of.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::authenticator::{Authenticator, Keys};
use super::jwks::KeySet;
use crate::auth::{Authenticators, authenticator, test_provider};

/// The tests' time, in seconds since 1970.
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) const ISSUER: &str = "https://id.shop.test";

#[derive(Debug, Clone, Copy)]
pub(crate) enum KeyKind {
    P256,
    P384,
    Ed25519,
    Rsa,
}

pub(crate) struct Issuer {
    /// Its `iss`.
    pub(crate) name: String,
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    key: EncodingKey,
    public: Value,
}

impl Issuer {
    pub(crate) fn new(kind: KeyKind, kid: &str) -> Self {
        let (algorithm, generator) = match kind {
            KeyKind::P256 => (Algorithm::ES256, &rcgen::PKCS_ECDSA_P256_SHA256),
            KeyKind::P384 => (Algorithm::ES384, &rcgen::PKCS_ECDSA_P384_SHA384),
            KeyKind::Ed25519 => (Algorithm::EdDSA, &rcgen::PKCS_ED25519),
            KeyKind::Rsa => (Algorithm::RS256, &rcgen::PKCS_RSA_SHA256),
        };
        let generated = rcgen::KeyPair::generate_for(generator).unwrap();
        let pem = generated.serialize_pem();
        let key = match kind {
            KeyKind::P256 | KeyKind::P384 => EncodingKey::from_ec_pem(pem.as_bytes()).unwrap(),
            KeyKind::Ed25519 => EncodingKey::from_ed_der(&generated.serialize_der()),
            KeyKind::Rsa => EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
        };
        let mut public = match kind {
            KeyKind::Ed25519 => {
                let x = URL_SAFE_NO_PAD.encode(generated.public_key_raw());
                json!({"kty": "OKP", "crv": "Ed25519", "x": x})
            }
            _ => serde_json::to_value(Jwk::from_encoding_key(&key, algorithm).unwrap()).unwrap(),
        };
        public["kid"] = json!(kid);
        public.as_object_mut().unwrap().remove("alg");
        Self {
            name: ISSUER.to_owned(),
            kid: kid.to_owned(),
            algorithm,
            key,
            public,
        }
    }

    /// The public key, with its `kid` and without `alg`.
    pub(crate) fn jwk(&self) -> Value {
        self.public.clone()
    }

    pub(crate) fn jwks(&self) -> String {
        json!({ "keys": [self.jwk()] }).to_string()
    }

    pub(crate) fn header(&self) -> Value {
        json!({"alg": self.algorithm, "typ": "at+jwt", "kid": self.kid})
    }

    /// Signs any header and claims, however wrong they are.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    pub(crate) fn sign_text(&self, header: &str, claims: &str) -> String {
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }

    /// A token that is right in every way.
    pub(crate) fn token(&self) -> String {
        self.token_with(&json!({}))
    }

    /// A token with other claims, or more.
    pub(crate) fn token_with(&self, edit: &Value) -> String {
        let mut claims = claims();
        claims["iss"] = json!(self.name);
        self.sign(&self.header(), &merged(claims, edit))
    }
}

/// `base` with the members of `edit`; `null` removes one.
pub(crate) fn merged(mut base: Value, edit: &Value) -> Value {
    let members = base.as_object_mut().unwrap();
    for (name, value) in edit.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    base
}

pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": "shop",
        "sub": "user-42",
        "scope": "orders:read orders:write",
        "iat": NOW,
        "exp": NOW + 300,
    })
}

/// An issuer's state that has the keys and fetches none.
pub(crate) fn authenticator_of(issuer: &Issuer) -> Arc<Authenticator> {
    authenticator_called("shop", issuer)
}

fn authenticator_called(name: &str, issuer: &Issuer) -> Arc<Authenticator> {
    let provider = test_provider::of_tokens(name, &issuer.name, "http://127.0.0.1:1/jwks");
    let rules = provider.kind.jwt().unwrap();
    let authenticator = Authenticator::new(&provider, rules, None);
    let set = KeySet::parse(issuer.jwks().as_bytes()).unwrap();
    authenticator.publish(Keys {
        generation: 1,
        serving: true,
        set: Arc::new(set),
        fetched_at: None,
    });
    Arc::new(authenticator)
}

/// A table's providers that have their issuers' keys and fetch none.
pub(crate) fn providers_of(issuers: &[(&str, &Issuer)]) -> Authenticators {
    let of = |(name, issuer): &(&str, &Issuer)| {
        authenticator::Authenticator::Jwt(authenticator_called(name, issuer))
    };
    Authenticators::of(issuers.iter().map(of).collect())
}
