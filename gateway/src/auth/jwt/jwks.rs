//! An issuer's public keys, from a JWK set (RFC 7517).
//!
//! Each key is pinned to the algorithms that fit its type, and to its own `alg` where it names one, so
//! that a token can't have an RSA key used as an HMAC secret or a P-384 key as a P-256 one. Entries that
//! are of no use here (symmetric, for encryption, unknown types) are left out, with a log line; they do
//! not spoil the others.

use std::sync::Arc;

use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations,
    PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use crate::auth::refused::Reason;

/// Keys of one set; more is not a key set but an attack or a mistake.
const KEYS_MAX: usize = 100;

/// Bytes of the shortest RSA modulus that is accepted (2048 bits, RFC 7518 §3.3).
const RSA_MODULUS_BYTES_MIN: usize = 256;

/// Bytes of the longest; verification costs grow with its square.
const RSA_MODULUS_BYTES_MAX: usize = 1024;

/// The keys of one provider at one time.
#[derive(Debug, Default)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    kid: Option<Box<str>>,
    algorithms: &'static [Algorithm],
    decoding: Arc<DecodingKey>,
}

/// A key set that can't be used at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeySetError {
    #[error("the key set is not JSON with a list of keys")]
    NotAKeySet,
    #[error("the key set has more than {KEYS_MAX} keys")]
    TooManyKeys,
    #[error("the key set has no key that can verify a token")]
    NoUsableKey,
}

impl KeySet {
    /// Reads a JWK set.
    ///
    /// # Errors
    /// When it is no key set, or when no key of it is of use: better the last good keys than none.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        let document: Value = serde_json::from_slice(json).map_err(|_| KeySetError::NotAKeySet)?;
        let entries = document
            .get("keys")
            .and_then(Value::as_array)
            .ok_or(KeySetError::NotAKeySet)?;
        if entries.len() > KEYS_MAX {
            return Err(KeySetError::TooManyKeys);
        }
        let mut keys: Vec<Key> = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            match usable_key(entry) {
                Ok(key) if keys.iter().any(|known| known.answers_to(&key)) => {
                    tracing::warn!(index, "key set entry ignored: its kid and type are taken");
                }
                Ok(key) => keys.push(key),
                Err(why) => tracing::info!(index, why, "key set entry ignored"),
            }
        }
        if keys.is_empty() {
            Err(KeySetError::NoUsableKey)
        } else {
            Ok(Self { keys })
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Finds the key for a token's header: by `kid`, or, without one, the only key that fits.
    pub(crate) fn select(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<&Arc<DecodingKey>, Reason> {
        let fits = |key: &&Key| key.algorithms.contains(&algorithm);
        let Some(kid) = kid else {
            let mut fitting = self.keys.iter().filter(fits);
            return match (fitting.next(), fitting.next()) {
                (Some(key), None) => Ok(&key.decoding),
                _ => Err(Reason::UnknownKey),
            };
        };
        let mut named = self
            .keys
            .iter()
            .filter(|key| key.kid.as_deref() == Some(kid))
            .peekable();
        if named.peek().is_none() {
            return Err(Reason::UnknownKey);
        }
        named
            .find(fits)
            .map(|key| &key.decoding)
            .ok_or(Reason::Algorithm)
    }
}

impl Key {
    /// Whether one token could mean both.
    fn answers_to(&self, other: &Self) -> bool {
        self.kid.is_some()
            && self.kid == other.kid
            && self
                .algorithms
                .iter()
                .any(|algorithm| other.algorithms.contains(algorithm))
    }
}

/// Reads one entry, or says why it is of no use.
fn usable_key(entry: &Value) -> Result<Key, &'static str> {
    if entry.get("d").is_some() || entry.get("k").is_some() {
        return Err("it holds a secret");
    }
    let jwk: Jwk = serde_json::from_value(entry.clone()).map_err(|_| "it is not a JWK")?;
    check_purpose(&jwk.common)?;
    let algorithms = algorithms_of(&jwk)?;
    let decoding = DecodingKey::from_jwk(&jwk).map_err(|_| "its numbers are not base64url")?;
    Ok(Key {
        kid: jwk.common.key_id.map(String::into_boxed_str),
        algorithms,
        decoding: Arc::new(decoding),
    })
}

/// RFC 7517 §4.2 and §4.3: the key must be for verifying signatures, if it says what it is for.
fn check_purpose(common: &CommonParameters) -> Result<(), &'static str> {
    if common
        .public_key_use
        .as_ref()
        .is_some_and(|purpose| *purpose != PublicKeyUse::Signature)
    {
        return Err("it is not for signatures");
    }
    match &common.key_operations {
        Some(operations) if !operations.contains(&KeyOperations::Verify) => {
            Err("it is not for verifying")
        }
        _ => Ok(()),
    }
}

/// The algorithms that fit the key's type and its own `alg`.
fn algorithms_of(jwk: &Jwk) -> Result<&'static [Algorithm], &'static str> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    const RSA: &[Algorithm] = &[RS256, RS384, RS512, PS256, PS384, PS512];
    let by_type: &'static [Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(key) => {
            let length = byte_length(&key.n);
            if !(RSA_MODULUS_BYTES_MIN..=RSA_MODULUS_BYTES_MAX).contains(&length) {
                return Err("its modulus is shorter than 2048 bits or longer than 8192");
            }
            RSA
        }
        AlgorithmParameters::EllipticCurve(key) => {
            let (algorithms, length): (&'static [Algorithm], _) = match key.curve {
                EllipticCurve::P256 => (&[ES256], 32),
                EllipticCurve::P384 => (&[ES384], 48),
                _ => return Err("its curve is not supported"),
            };
            if byte_length(&key.x) != length || byte_length(&key.y) != length {
                return Err("its point is not on its curve");
            }
            algorithms
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            if byte_length(&key.x) != 32 {
                return Err("its point is not on its curve");
            }
            &[EdDSA]
        }
        _ => return Err("its type is not supported"),
    };
    match jwk.common.key_algorithm {
        None => Ok(by_type),
        Some(named) => narrowed(by_type, named).ok_or("its alg does not fit its type"),
    }
}

fn narrowed(by_type: &'static [Algorithm], named: KeyAlgorithm) -> Option<&'static [Algorithm]> {
    let named = Algorithm::try_from(named).ok()?;
    let at = by_type.iter().position(|algorithm| *algorithm == named)?;
    by_type.get(at..=at)
}

/// Bytes of a number in base64url without padding.
fn byte_length(base64url: &str) -> usize {
    base64url.len() * 3 / 4
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::jwt::test_issuer::{Issuer, KeyKind};

    fn parse(keys: &[Value]) -> Result<KeySet, KeySetError> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn keys_of_no_use_do_not_spoil_the_others() {
        let good = Issuer::new(KeyKind::P256, "good").jwk();
        let mut for_encryption = Issuer::new(KeyKind::P256, "enc").jwk();
        for_encryption["use"] = json!("enc");
        let mut private = Issuer::new(KeyKind::P256, "private").jwk();
        private["d"] = json!("c2VjcmV0");
        let mut wrong_alg = Issuer::new(KeyKind::P256, "wrong").jwk();
        wrong_alg["alg"] = json!("RS256");
        let set = parse(&[
            json!({"kty": "oct", "kid": "hmac", "k": "c2VjcmV0", "alg": "HS256"}),
            json!({"kty": "RSA", "kid": "short", "n": "AQAB", "e": "AQAB"}),
            json!({"kty": "EC", "crv": "secp256k1", "kid": "k1", "x": "AA", "y": "AA"}),
            json!({"kty": "EC", "crv": "P-256", "kid": "tiny", "x": "AA", "y": "AA"}),
            json!({"kty": "AKP", "kid": "post-quantum", "alg": "ML-DSA-44", "pub": "AA"}),
            json!("nonsense"),
            for_encryption,
            private,
            wrong_alg,
            good.clone(),
            good,
        ])
        .unwrap();
        assert_eq!(set.len(), 1);
        assert!(set.select(Some("good"), Algorithm::ES256).is_ok());
    }

    #[test]
    fn a_key_serves_only_algorithms_of_its_type() {
        let set = parse(&[Issuer::new(KeyKind::P256, "a").jwk()]).unwrap();
        assert!(set.select(Some("a"), Algorithm::ES256).is_ok());
        for other in [
            Algorithm::HS256,
            Algorithm::RS256,
            Algorithm::ES384,
            Algorithm::EdDSA,
        ] {
            assert_eq!(set.select(Some("a"), other).err(), Some(Reason::Algorithm));
        }
        assert_eq!(
            set.select(Some("b"), Algorithm::ES256).err(),
            Some(Reason::UnknownKey)
        );
    }

    #[test]
    fn without_a_kid_exactly_one_key_must_fit() {
        let two_types = parse(&[
            Issuer::new(KeyKind::P256, "a").jwk(),
            Issuer::new(KeyKind::Ed25519, "b").jwk(),
        ])
        .unwrap();
        assert!(two_types.select(None, Algorithm::ES256).is_ok());
        assert!(two_types.select(None, Algorithm::EdDSA).is_ok());
        assert!(two_types.select(None, Algorithm::RS256).is_err());
        let same_type = parse(&[
            Issuer::new(KeyKind::P256, "a").jwk(),
            Issuer::new(KeyKind::P256, "b").jwk(),
        ])
        .unwrap();
        assert_eq!(
            same_type.select(None, Algorithm::ES256).err(),
            Some(Reason::UnknownKey)
        );
    }

    #[test]
    fn what_is_no_key_set_is_an_error() {
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#, "<html>"] {
            assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
        }
        let many: Vec<Value> = (0..=KEYS_MAX).map(|_| json!({})).collect();
        assert!(matches!(parse(&many), Err(KeySetError::TooManyKeys)));
    }
}
