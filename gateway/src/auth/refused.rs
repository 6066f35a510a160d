//! Why a request is not let in, and what the client is told of it.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};

/// A request that must not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuthRefused {
    pub(crate) reason: Reason,
    /// The provider's name, which is the challenge's realm.
    pub(crate) provider: Arc<str>,
    /// What the route asks for; told when the scope is what is missing.
    pub(crate) scopes: Vec<Arc<str>>,
}

/// The closed vocabulary of refusals, for log and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    /// No bearer token.
    Missing,
    /// More than one `Authorization` field.
    SeveralTokens,
    /// Not three base64url parts of JSON, or claims of the wrong type.
    Malformed,
    TooLarge,
    /// `alg` is not in the provider's list, or the key is of another type.
    Algorithm,
    /// A header parameter that names or brings a key, or an extension we do not know.
    HeaderParameter,
    /// `typ` says that it is no access token.
    Type,
    /// No key has the token's `kid`, or the token has none and several keys fit.
    UnknownKey,
    Signature,
    Issuer,
    Audience,
    Expired,
    NotYetValid,
    /// The token is good and grants too little.
    Scope,
    /// The provider's keys could not be fetched, or are too old.
    KeysUnavailable,
}

impl Reason {
    /// The label in log and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::SeveralTokens => "several_tokens",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Algorithm => "algorithm",
            Self::HeaderParameter => "header_parameter",
            Self::Type => "type",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Scope => "scope",
            Self::KeysUnavailable => "keys_unavailable",
        }
    }

    /// What the client reads. No quotes or backslashes: it also stands in the challenge.
    fn detail(self) -> &'static str {
        match self {
            Self::Missing => "a bearer token is required",
            Self::SeveralTokens => "more than one Authorization field",
            Self::Malformed => "the token is malformed",
            Self::TooLarge => "the token is larger than 16384 bytes",
            Self::Algorithm => "the token's algorithm is not accepted",
            Self::HeaderParameter => "the token has a header parameter that is not accepted",
            Self::Type => "the token is not an access token",
            Self::UnknownKey => "the token's key is not known",
            Self::Signature => "the token's signature is not valid",
            Self::Issuer => "the token is from another issuer",
            Self::Audience => "the token is for another audience",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not yet valid",
            Self::Scope => "the token does not grant the scope that is needed",
            Self::KeysUnavailable => "tokens cannot be verified at the moment",
        }
    }
}

impl AuthRefused {
    pub(crate) fn new(reason: Reason, provider: &Arc<str>) -> Self {
        Self {
            reason,
            provider: Arc::clone(provider),
            scopes: Vec::new(),
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self.reason {
            Reason::SeveralTokens => StatusCode::BAD_REQUEST,
            Reason::Scope => StatusCode::FORBIDDEN,
            Reason::KeysUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// The problem's code: RFC 6750's where it has one.
    pub(crate) fn code(&self) -> &'static str {
        match self.reason {
            Reason::Missing => "token_required",
            Reason::KeysUnavailable => "keys_unavailable",
            _ => self.error().unwrap_or("invalid_token"),
        }
    }

    /// The problem's detail.
    pub(crate) fn detail(&self) -> &'static str {
        self.reason.detail()
    }

    /// `error` of RFC 6750 §3.1; none for a request without a token, and none when it is not the
    /// client's fault.
    fn error(&self) -> Option<&'static str> {
        match self.reason {
            Reason::Missing | Reason::KeysUnavailable => None,
            Reason::SeveralTokens => Some("invalid_request"),
            Reason::Scope => Some("insufficient_scope"),
            _ => Some("invalid_token"),
        }
    }

    /// Returns the value of `WWW-Authenticate` (RFC 6750 §3); none with `503`.
    pub(crate) fn challenge(&self) -> Option<HeaderValue> {
        if self.reason == Reason::KeysUnavailable {
            return None;
        }
        let mut text = format!("Bearer realm=\"{}\"", quotable(&self.provider));
        if let Some(error) = self.error() {
            let detail = self.detail();
            text.push_str(&format!(
                ", error=\"{error}\", error_description=\"{detail}\""
            ));
        }
        if self.reason == Reason::Scope {
            text.push_str(&format!(", scope=\"{}\"", quotable(&self.scopes.join(" "))));
        }
        HeaderValue::try_from(text).ok()
    }
}

/// Drops what a quoted string could not hold as it is; names in a route table have none of it.
fn quotable(text: &str) -> String {
    text.chars()
        .filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_answer(reason: Reason, status: u16, code: &str, challenge: Option<&str>) {
        let refused = AuthRefused {
            reason,
            provider: "shop".into(),
            scopes: vec!["orders:read".into(), "orders:write".into()],
        };
        assert_eq!(refused.status().as_u16(), status);
        assert_eq!(refused.code(), code);
        let value = refused.challenge();
        assert_eq!(
            value.as_ref().map(|value| value.to_str().unwrap()),
            challenge
        );
    }

    #[test]
    fn a_request_without_a_token_gets_a_bare_challenge() {
        assert_answer(
            Reason::Missing,
            401,
            "token_required",
            Some("Bearer realm=\"shop\""),
        );
    }

    #[test]
    fn a_bad_token_is_told_why() {
        assert_answer(
            Reason::Expired,
            401,
            "invalid_token",
            Some(
                "Bearer realm=\"shop\", error=\"invalid_token\", \
                 error_description=\"the token has expired\"",
            ),
        );
    }

    #[test]
    fn a_token_with_too_little_scope_hears_what_is_needed() {
        assert_answer(
            Reason::Scope,
            403,
            "insufficient_scope",
            Some(
                "Bearer realm=\"shop\", error=\"insufficient_scope\", \
                 error_description=\"the token does not grant the scope that is needed\", \
                 scope=\"orders:read orders:write\"",
            ),
        );
    }

    #[test]
    fn missing_keys_are_our_fault_not_the_clients() {
        assert_answer(Reason::KeysUnavailable, 503, "keys_unavailable", None);
    }

    #[test]
    fn two_authorization_fields_are_a_bad_request() {
        assert_answer(
            Reason::SeveralTokens,
            400,
            "invalid_request",
            Some(
                "Bearer realm=\"shop\", error=\"invalid_request\", \
                 error_description=\"more than one Authorization field\"",
            ),
        );
    }
}
