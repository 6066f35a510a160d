//! The check of one token: pure, with the time as an argument.
//!
//! The order is that of cost and of RFC 8725: size, header, algorithm, key, signature, then claims.
//! `jsonwebtoken` does the JOSE work; the claims are checked here, because a provider's rules are
//! stricter (one issuer, spelled exactly) and the clock is ours.

use std::sync::Arc;

use jsonwebtoken::Algorithm;
use route_table::table::{self, JwtRules, Provider};
use serde_json::{Map, Value};

use super::compact::Compact;
use crate::auth::caller::Identity;
use crate::auth::refused::Reason;

/// A token whose signature, issuer, audience and times were right. Its size is bounded by the token's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VerifiedToken {
    pub(super) identity: Arc<Identity>,
    /// `exp`, in seconds since 1970.
    pub(super) expires_at: u64,
    /// `nbf`, in seconds since 1970; 0 when absent.
    pub(super) not_before: u64,
}

/// An issuer's rules, prepared.
#[derive(Debug)]
pub(super) struct Verifier {
    provider: Provider,
    rules: JwtRules,
    algorithms: Vec<Algorithm>,
    clock_skew_s: u64,
}

impl Verifier {
    pub(super) fn new(provider: Provider, rules: JwtRules) -> Self {
        let algorithms = rules.algorithms.iter();
        Self {
            provider,
            algorithms: algorithms.map(|it| jose_name(*it)).collect(),
            clock_skew_s: rules.clock_skew.as_secs(),
            rules,
        }
    }

    pub(super) fn provider(&self) -> &Provider {
        &self.provider
    }

    pub(super) fn rules(&self) -> &JwtRules {
        &self.rules
    }

    /// Reads what a token claims that may be this issuer's. Its signature is still to be checked.
    ///
    /// # Errors
    /// When it is another issuer's: that is said before a key is looked for, so that nobody makes us
    /// fetch keys with tokens that we would not take.
    pub(super) fn claims_of(&self, token: &Compact<'_>) -> Result<Map<String, Value>, Reason> {
        if !self.algorithms.contains(&token.algorithm()) {
            return Err(Reason::Algorithm);
        }
        let claims = token.claims()?;
        if claims.get("iss").and_then(Value::as_str) != Some(self.rules.issuer.as_ref()) {
            return Err(Reason::Issuer);
        }
        Ok(claims)
    }

    /// Whether a token that was verified before is valid at `now`.
    pub(super) fn in_time(&self, token: &VerifiedToken, now: u64) -> Result<(), Reason> {
        if token.expires_at.saturating_add(self.clock_skew_s) <= now {
            return Err(Reason::Expired);
        }
        if token.not_before > now.saturating_add(self.clock_skew_s) {
            return Err(Reason::NotYetValid);
        }
        Ok(())
    }

    /// Checks the claims of a token whose signature is good, at `now` in seconds since 1970.
    ///
    /// # Errors
    /// Names the first rule that the token breaks.
    pub(super) fn check_claims(
        &self,
        claims: Map<String, Value>,
        now: u64,
    ) -> Result<VerifiedToken, Reason> {
        if !self.is_audience(claims.get("aud")) {
            return Err(Reason::Audience);
        }
        let expires_at = numeric_date(&claims, "exp")?.ok_or(Reason::Malformed)?;
        let not_before = numeric_date(&claims, "nbf")?.unwrap_or(0);
        let issued_at = numeric_date(&claims, "iat")?;
        if let Some(lifetime_max) = self.rules.lifetime_max {
            // Without `iat` nobody knows; what is not known to be short is not.
            let lifetime = issued_at.map_or(u64::MAX, |from| expires_at.saturating_sub(from));
            if lifetime > lifetime_max.as_secs() {
                return Err(Reason::Lifetime);
            }
        }
        if !matches!(
            claims.get("sub"),
            None | Some(Value::Null | Value::String(_))
        ) {
            return Err(Reason::Malformed);
        }
        let token = VerifiedToken {
            identity: Arc::new(Identity::new(&self.provider, claims)),
            expires_at,
            not_before,
        };
        self.in_time(&token, now)?;
        Ok(token)
    }

    /// `aud` is one string or a list (RFC 7519 §4.1.3); one of it must be ours.
    fn is_audience(&self, claim: Option<&Value>) -> bool {
        let is_ours = |name: &str| {
            self.rules
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
