//! The check of one token: pure, with the time as an argument.
//!
//! The order is that of cost and of RFC 8725: size, header, algorithm, key, signature, then claims.
//! `jsonwebtoken` does the JOSE work; the claims are checked here, because a provider's rules are
//! stricter (one issuer, spelled exactly) and the clock is ours.

use std::collections::HashSet;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, TokenData, Validation};
use route_table::table::{self, Provider};
use serde_json::{Map, Value};

use super::identity_headers::headers_of;
use super::jwks::KeySet;
use super::refused::Reason;
use super::scopes::Scopes;
use super::token::VerifiedToken;

/// Bytes of a token; a header block has room for no larger one.
pub(crate) const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// A provider's rules, prepared.
#[derive(Debug)]
pub(crate) struct Verifier {
    provider: Provider,
    algorithms: Vec<Algorithm>,
    clock_skew_s: u64,
}

impl Verifier {
    pub(crate) fn new(provider: Provider) -> Self {
        let algorithms = provider
            .algorithms
            .iter()
            .map(|algorithm| jose_name(*algorithm))
            .collect();
        let clock_skew_s = provider.clock_skew.as_secs();
        Self {
            provider,
            algorithms,
            clock_skew_s,
        }
    }

    pub(crate) fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Verifies a token at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// Names the first rule that the token breaks.
    pub(crate) fn verify(
        &self,
        keys: &KeySet,
        token: &str,
        now: u64,
    ) -> Result<VerifiedToken, Reason> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Reason::TooLarge);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Reason::Malformed)?;
        check_header(&header)?;
        if !self.algorithms.contains(&header.alg) {
            return Err(Reason::Algorithm);
        }
        let key = keys.select(header.kid.as_deref(), header.alg)?;
        let TokenData { claims, .. } =
            jsonwebtoken::decode::<Map<String, Value>>(token, key, &signature_only(header.alg))
                .map_err(|error| reason_of(error.kind()))?;
        self.check_claims(claims, now)
    }

    /// Whether a token that was verified before is valid at `now`.
    pub(crate) fn in_time(&self, token: &VerifiedToken, now: u64) -> Result<(), Reason> {
        if token.expires_at.saturating_add(self.clock_skew_s) <= now {
            return Err(Reason::Expired);
        }
        if token.not_before > now.saturating_add(self.clock_skew_s) {
            return Err(Reason::NotYetValid);
        }
        Ok(())
    }

    fn check_claims(&self, claims: Map<String, Value>, now: u64) -> Result<VerifiedToken, Reason> {
        if claims.get("iss").and_then(Value::as_str) != Some(self.provider.issuer.as_ref()) {
            return Err(Reason::Issuer);
        }
        if !self.is_audience(claims.get("aud")) {
            return Err(Reason::Audience);
        }
        let expires_at = numeric_date(&claims, "exp")?.ok_or(Reason::Malformed)?;
        let not_before = numeric_date(&claims, "nbf")?.unwrap_or(0);
        if !matches!(
            claims.get("sub"),
            None | Some(Value::Null | Value::String(_))
        ) {
            return Err(Reason::Malformed);
        }
        let scopes = Scopes::of(&claims);
        let identity_headers = headers_of(&self.provider.claims_to_headers, &claims, &scopes);
        let token = VerifiedToken {
            scopes,
            claims,
            expires_at,
            not_before,
            identity_headers,
        };
        self.in_time(&token, now)?;
        Ok(token)
    }

    /// `aud` is one string or a list (RFC 7519 §4.1.3); one of it must be ours.
    fn is_audience(&self, claim: Option<&Value>) -> bool {
        let is_ours = |name: &str| {
            self.provider
                .audiences
                .iter()
                .any(|ours| ours.as_ref() == name)
        };
        match claim {
            Some(Value::String(name)) => is_ours(name),
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).any(is_ours),
            _ => false,
        }
    }
}

/// A token that points to its own key, or needs an extension to be understood, is refused; a JWT that
/// says what it is must say that it is an access token or nothing special (RFC 9068 §2.1).
fn check_header(header: &Header) -> Result<(), Reason> {
    let names_a_key = header.jku.is_some() || header.jwk.is_some() || header.x5u.is_some();
    if names_a_key || header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
        return Err(Reason::HeaderParameter);
    }
    let Some(typ) = &header.typ else {
        return Ok(());
    };
    // RFC 7515 §4.1.9: `application/` may be left out, and media types know no case.
    let typ = typ.to_ascii_lowercase();
    match typ.strip_prefix("application/").unwrap_or(&typ) {
        "jwt" | "at+jwt" => Ok(()),
        _ => Err(Reason::Type),
    }
}

/// Lets `jsonwebtoken` check the signature and nothing else; the claims follow in `check_claims`.
fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims = HashSet::new();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

fn reason_of(error: &ErrorKind) -> Reason {
    match error {
        ErrorKind::InvalidSignature => Reason::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat => Reason::Algorithm,
        _ => Reason::Malformed,
    }
}

/// A NumericDate (RFC 7519 §2), in whole seconds. What is no date at all is an error: a claim we can't
/// read must not count as absent.
fn numeric_date(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, Reason> {
    let Some(claim) = claims.get(name) else {
        return Ok(None);
    };
    if let Some(seconds) = claim.as_u64() {
        return Ok(Some(seconds));
    }
    let seconds = claim
        .as_f64()
        .filter(|seconds| (0.0..=MAX_DATE).contains(seconds));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and MAX_DATE; parts of a second are cut off"
    )]
    seconds
        .map(|seconds| Some(seconds as u64))
        .ok_or(Reason::Malformed)
}

/// The largest date that a double holds to the second.
const MAX_DATE: f64 = 9_007_199_254_740_992.0;

fn jose_name(algorithm: table::Algorithm) -> Algorithm {
    match algorithm {
        table::Algorithm::RS256 => Algorithm::RS256,
        table::Algorithm::RS384 => Algorithm::RS384,
        table::Algorithm::RS512 => Algorithm::RS512,
        table::Algorithm::PS256 => Algorithm::PS256,
        table::Algorithm::PS384 => Algorithm::PS384,
        table::Algorithm::PS512 => Algorithm::PS512,
        table::Algorithm::ES256 => Algorithm::ES256,
        table::Algorithm::ES384 => Algorithm::ES384,
        table::Algorithm::EdDSA => Algorithm::EdDSA,
    }
}
