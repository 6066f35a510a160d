//! Who has signed in, as the provider's ID token says (OpenID Connect Core 1.0, section 3.1.3.7).

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

/// Signatures that are accepted: with a key pair, never with a shared secret, never none.
const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::ES256,
    Algorithm::RS256,
    Algorithm::PS256,
    Algorithm::EdDSA,
];

#[derive(Debug, Deserialize)]
pub(super) struct IdClaims {
    pub(super) sub: String,
    pub(super) name: Option<String>,
    nonce: Option<String>,
    /// Whom the token was made for, where several may use it.
    azp: Option<String>,
}

/// Checks signature, issuer, audience, expiry and nonce.
///
/// # Errors
/// What is wrong, for the log.
pub(super) fn verify(
    token: &str,
    keys: &JwkSet,
    issuer: &str,
    client_id: &str,
    nonce: &str,
) -> Result<IdClaims, String> {
    let header = decode_header(token).map_err(|error| error.to_string())?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(format!("{:?} is not accepted", header.alg));
    }
    let key = match &header.kid {
        Some(kid) => keys.find(kid),
        None => keys.keys.first(),
    };
    let key = key.ok_or("no key of the provider fits")?;
    let key = DecodingKey::from_jwk(key).map_err(|error| error.to_string())?;
    let mut rules = Validation::new(header.alg);
    rules.set_issuer(&[issuer]);
    rules.set_audience(&[client_id]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims = decode::<IdClaims>(token, &key, &rules).map_err(|error| error.to_string())?;
    let claims = claims.claims;
    if claims.nonce.as_deref() != Some(nonce) {
        return Err("it belongs to another attempt".to_owned());
    }
    if claims.azp.as_ref().is_some_and(|azp| azp != client_id) {
        return Err("it was made for another client".to_owned());
    }
    Ok(claims)
}
