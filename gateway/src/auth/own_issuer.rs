//! Tokens of the gateway's own, for services behind it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderValue;
use http::header::{AUTHORIZATION, HeaderName};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use route_table::table;
use serde_json::{Map, Value, json};

use super::caller::Identity;

/// Claims of whoever said who it is that are not ours to repeat.
const NOT_REPEATED: [&str; 8] = [
    "iss",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "active",
    "client_id",
];

/// Signs tokens, and shows the key by which they are verified.
pub(crate) struct OwnIssuer {
    rules: table::OwnIssuer,
    key: EncodingKey,
    kid: String,
    public: Jwk,
}

/// Why tokens can't be signed. None of these texts holds key material.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}: holds no private P-256 key in PEM (PKCS #8)", .0.display())]
    NoKey(PathBuf),
}

impl OwnIssuer {
    /// # Errors
    /// [`KeyError`] with the file it is about.
    pub(crate) fn load(rules: &table::OwnIssuer) -> Result<Self, KeyError> {
        let key = read_key(&rules.key)?;
        let no_key = |_| KeyError::NoKey(rules.key.clone());
        let mut public = Jwk::from_encoding_key(&key, Algorithm::ES256).map_err(no_key)?;
        let kid = public.thumbprint(ThumbprintHash::SHA256).map_err(no_key)?;
        public.common.key_id = Some(kid.clone());
        Ok(Self {
            rules: rules.clone(),
            key,
            kid,
            public,
        })
    }

    pub(super) fn rules(&self) -> &table::OwnIssuer {
        &self.rules
    }

    /// The set of keys by which services verify the tokens (RFC 7517).
    pub(crate) fn public_keys(&self) -> Value {
        json!({ "keys": [self.public] })
    }

    /// A token that says what a provider says, at `now` in seconds since 1970, as upstreams get it. `None` when it can't be signed.
    pub(super) fn token_for(
        &self,
        identity: &Identity,
        now: u64,
    ) -> Option<(HeaderName, HeaderValue)> {
        let lifetime_s = self.rules.lifetime.as_secs().max(1);
        let token = identity.exchanged.get_or_make(now, || {
            let header = Header {
                typ: Some("at+jwt".to_owned()),
                kid: Some(self.kid.clone()),
                ..Header::new(Algorithm::ES256)
            };
            let claims = self.claims(&identity.claims, now, lifetime_s);
            let token = jsonwebtoken::encode(&header, &claims, &self.key).ok()?;
            let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
            value.set_sensitive(true);
            let exp = claims.get("exp").and_then(Value::as_u64)?;
            Some((value, exp.min(now + lifetime_s.div_ceil(2))))
        })?;
        Some((AUTHORIZATION, token))
    }

    fn claims(&self, said: &Map<String, Value>, now: u64, lifetime_s: u64) -> Map<String, Value> {
        let mut claims = said.clone();
        for name in NOT_REPEATED {
            claims.remove(name);
        }
        let until = said.get("exp").and_then(Value::as_u64).unwrap_or(u64::MAX);
        claims.insert("iss".to_owned(), json!(self.rules.name));
        claims.insert("aud".to_owned(), json!(self.rules.audiences));
        claims.insert("iat".to_owned(), json!(now));
        claims.insert("exp".to_owned(), json!(until.min(now + lifetime_s)));
        claims
    }
}

fn read_key(path: &Path) -> Result<EncodingKey, KeyError> {
    let pem = std::fs::read(path).map_err(|source| KeyError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    EncodingKey::from_ec_pem(&pem).map_err(|_| KeyError::NoKey(path.to_owned()))
}

impl std::fmt::Debug for OwnIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnIssuer")
            .field("rules", &self.rules)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// A token that was made for somebody, until half of its time is over.
#[derive(Debug, Default)]
pub(crate) struct Exchanged(parking_lot::Mutex<Option<(HeaderValue, u64)>>);

impl Exchanged {
    /// `make` makes a token, and says when it is to be made anew, in seconds since 1970.
    fn get_or_make(
        &self,
        now: u64,
        make: impl FnOnce() -> Option<(HeaderValue, u64)>,
    ) -> Option<HeaderValue> {
        let mut made = self.0.lock();
        if let Some((token, renew_at)) = &*made
            && now < *renew_at
        {
            return Some(token.clone());
        }
        let (token, renew_at) = make()?;
        *made = Some((token.clone(), renew_at));
        Some(token)
    }
}

/// Read when the issuer or its key changes.
pub(super) fn carried_over(
    previous: Option<&Arc<OwnIssuer>>,
    rules: Option<&table::OwnIssuer>,
) -> Option<Arc<OwnIssuer>> {
    let rules = rules?;
    match OwnIssuer::load(rules) {
        Ok(issuer) => Some(Arc::new(issuer)),
        Err(error) => {
            // Checked with the table: this is a file that has gone since.
            tracing::error!(%error, "key of `auth.issuer` can not be read");
            previous.filter(|known| known.rules() == rules).cloned()
        }
    }
}
