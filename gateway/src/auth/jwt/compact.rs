//! The compact form of a signed token: three base64url parts (RFC 7515, section 7.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::jwks::KeySet;
use crate::auth::refused::Reason;

/// Bytes of a token; a header block has room for no larger one.
pub(crate) const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// A token that has been taken apart and not been checked: nothing it says is to be believed yet.
#[derive(Debug)]
pub(super) struct Compact<'t> {
    header: Header,
    /// Header and claims as they were signed.
    message: &'t str,
    claims: &'t str,
    signature: &'t str,
}

impl<'t> Compact<'t> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// When it is too large, not of this form, or has a header that must not be.
    pub(super) fn read(token: &'t str) -> Result<Self, Reason> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Reason::TooLarge);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(Reason::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(Reason::Malformed)?;
        if claims.contains('.') {
            return Err(Reason::Malformed);
        }
        let header = read_header(header)?;
        Ok(Self {
            header,
            message,
            claims,
            signature,
        })
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.header.alg
    }

    /// What the token claims.
    ///
    /// # Errors
    /// When that is no JSON object, or one with a name twice: readers differ in which they believe
    /// (RFC 7519, section 4).
    pub(super) fn claims(&self) -> Result<Map<String, Value>, Reason> {
        let json = decoded(self.claims)?;
        let claims: UniqueNames = serde_json::from_slice(&json).map_err(|_| Reason::Malformed)?;
        Ok(claims.0)
    }

    /// Checks the signature by the key that the header asks for.
    ///
    /// # Errors
    /// When no key of the set is for it, or the signature is not that key's.
    pub(super) fn check_signature(&self, keys: &KeySet) -> Result<(), Reason> {
        let (algorithm, kid) = (self.header.alg, self.header.kid.as_deref());
        let key = keys.select(kid, algorithm)?;
        decoded(self.signature)?;
        let message = self.message.as_bytes();
        match jsonwebtoken::crypto::verify(self.signature, message, key, algorithm) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Reason::Signature),
            Err(_) => Err(Reason::Algorithm),
        }
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, Reason> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Reason::Malformed)
}

/// Reads a header. A token that points to its own key, or needs an extension to be understood, is
/// refused; a JWT that says what it is must say that it is an access token or nothing special (RFC 9068,
/// section 2.1).
fn read_header(part: &str) -> Result<Header, Reason> {
    let json = decoded(part)?;
    let UniqueNames(names) = serde_json::from_slice(&json).map_err(|_| Reason::Malformed)?;
    // `b64` without `crit` is the old way to smuggle in another reading of the claims (RFC 7797).
    let refused = ["jku", "jwk", "x5u", "crit", "zip", "enc", "b64"];
    if refused.iter().any(|name| names.contains_key(*name)) {
        return Err(Reason::HeaderParameter);
    }
    let header: Header =
        serde_json::from_value(Value::Object(names)).map_err(|_| Reason::Malformed)?;
    let Some(typ) = &header.typ else {
        return Ok(header);
    };
    // RFC 7515, section 4.1.9: `application/` may be left out, and media types know no case.
    let typ = typ.to_ascii_lowercase();
    match typ.strip_prefix("application/").unwrap_or(&typ) {
        "jwt" | "at+jwt" => Ok(header),
        _ => Err(Reason::Type),
    }
}

/// A JSON object in which no name stands twice.
struct UniqueNames(Map<String, Value>);

impl<'de> Deserialize<'de> for UniqueNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = UniqueNames;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<UniqueNames, A::Error> {
                let mut map = Map::new();
                while let Some((name, value)) = entries.next_entry::<String, Value>()? {
                    if map.insert(name, value).is_some() {
                        return Err(A::Error::custom("a name stands twice"));
                    }
                }
                Ok(UniqueNames(map))
            }
        }
        deserializer.deserialize_map(Names)
    }
}
