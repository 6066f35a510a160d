//! Why a request is not let in, and what the client is told of it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use route_table::table::{Provider, ProviderKind};

/// A request that must not pass.
#[derive(Debug, Clone)]
pub(crate) struct AuthRefused {
    pub(crate) reason: Reason,
    /// The provider's name, which is the challenge's realm.
    pub(crate) provider: Arc<str>,
    scheme: &'static str,
    /// What the route asks for; told when the scope is what is missing.
    pub(crate) scopes: Vec<Arc<str>>,
    /// Who else could say who is calling; told to those who bring nothing.
    pub(crate) others: Vec<Realm>,
    /// What the one who was asked wants the client to hear.
    pub(crate) answer: Option<Box<Response<Bytes>>>,
}

/// One provider's no.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    pub(super) answer: Option<Box<Response<Bytes>>>,
}

impl Refusal {
    /// A no in the words of somebody else.
    pub(super) fn answered(answer: Response<Bytes>) -> Self {
        Self {
            reason: Reason::Denied,
            answer: Some(Box::new(answer)),
        }
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            answer: None,
        }
    }
}

/// A scheme and a realm, as a challenge names them (RFC 9110, section 11.6.1).
pub(crate) type Realm = (&'static str, Arc<str>);

/// The closed vocabulary of refusals, for log and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    /// Neither token nor key.
    Missing,
    /// More than one of them in one kind of place.
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
    /// It is good for longer than the provider's tokens may be.
    Lifetime,
    /// Nobody was given this key.
    ApiKey,
    /// The token is good and grants too little.
    Scope,
    /// The caller has none of the roles.
    Role,
    /// A claim is not what the route asks for.
    Claim,
    /// The authorisation server says that the token is not, or no longer, good.
    Inactive,
    /// The service that was asked says no.
    Denied,
    /// Whoever knows the caller could not be asked.
    CheckUnavailable,
    /// The provider's keys could not be read or fetched, or are too old.
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
            Self::Lifetime => "lifetime",
            Self::ApiKey => "api_key",
            Self::Scope => "scope",
            Self::Role => "role",
            Self::Claim => "claim",
            Self::Inactive => "inactive",
            Self::Denied => "denied",
            Self::CheckUnavailable => "check_unavailable",
            Self::KeysUnavailable => "keys_unavailable",
        }
    }

    /// What the client reads. No quotes or backslashes: it also stands in the challenge.
    fn detail(self) -> &'static str {
        match self {
            Self::Missing => "a token or key is required",
            Self::SeveralTokens => "more than one token or key",
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
            Self::Lifetime => "the token is valid for too long",
            Self::ApiKey => "the API key is not valid",
            Self::Scope => "the token does not grant the scope that is needed",
            Self::Role => "the caller has none of the roles that are needed",
            Self::Claim => "the caller is not of those who may do this",
            Self::Inactive => "the token is not active",
            Self::Denied => "access is denied",
            Self::CheckUnavailable | Self::KeysUnavailable => {
                "callers cannot be verified at the moment"
            }
        }
    }

    /// Of two refusals by different providers, the one that says more. A token of one issuer is always
    /// another one's no; what its own has against it is the answer. Least of all says that there was none.
    pub(super) fn tells_more_than(self, other: Self) -> bool {
        self.weight() > other.weight()
    }

    fn weight(self) -> u8 {
        match self {
            Self::Missing => 0,
            Self::Issuer | Self::ApiKey => 1,
            Self::Malformed
            | Self::TooLarge
            | Self::Algorithm
            | Self::HeaderParameter
            | Self::Type
            | Self::UnknownKey => 2,
            Self::Signature
            | Self::Audience
            | Self::Expired
            | Self::NotYetValid
            | Self::Lifetime
            | Self::Inactive => 3,
            Self::Scope | Self::Role | Self::Claim | Self::Denied => 4,
            // Perhaps it would have passed: that is not the client's fault.
            Self::CheckUnavailable | Self::KeysUnavailable => 5,
            // No reading of it is the right one.
            Self::SeveralTokens => 6,
        }
    }
}

impl AuthRefused {
    pub(super) fn new(reason: Reason, provider: &Provider) -> Self {
        let (scheme, provider) = Self::realm_of(provider);
        Self {
            reason,
            provider,
            scheme,
            scopes: Vec::new(),
            others: Vec::new(),
            answer: None,
        }
    }

    /// How a provider is named in a challenge. Nobody has registered a scheme for API keys; a `401` must
    /// have one all the same.
    pub(super) fn realm_of(provider: &Provider) -> Realm {
        let scheme = match provider.kind {
            ProviderKind::Jwt(_) | ProviderKind::Introspection(_) => "Bearer",
            ProviderKind::Forward(_) => "Session",
            ProviderKind::ApiKeys(_) => "ApiKey",
        };
        (scheme, Arc::clone(&provider.name))
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self.reason {
            Reason::SeveralTokens => StatusCode::BAD_REQUEST,
            Reason::Scope | Reason::Role | Reason::Claim => StatusCode::FORBIDDEN,
            Reason::CheckUnavailable | Reason::KeysUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Reason::Denied => self
                .answer
                .as_ref()
                .map_or(StatusCode::FORBIDDEN, |answer| answer.status()),
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// The problem's code: RFC 6750's where it has one.
    pub(crate) fn code(&self) -> &'static str {
        match self.reason {
            Reason::Missing => "token_required",
            Reason::KeysUnavailable => "keys_unavailable",
            Reason::CheckUnavailable => "auth_unavailable",
            Reason::Denied => "access_denied",
            Reason::ApiKey => "invalid_key",
            Reason::Role | Reason::Claim => "forbidden",
            _ => self.error().unwrap_or("invalid_token"),
        }
    }

    /// The problem's detail.
    pub(crate) fn detail(&self) -> &'static str {
        self.reason.detail()
    }

    /// `error` of RFC 6750 §3.1; none for a request without a token, none where the RFC has none, and
    /// none when it is not the client's fault.
    fn error(&self) -> Option<&'static str> {
        match self.reason {
            _ if self.scheme != "Bearer" => None,
            Reason::Missing
            | Reason::KeysUnavailable
            | Reason::CheckUnavailable
            | Reason::Denied
            | Reason::ApiKey
            | Reason::Role
            | Reason::Claim => None,
            Reason::SeveralTokens => Some("invalid_request"),
            Reason::Scope => Some("insufficient_scope"),
            _ => Some("invalid_token"),
        }
    }

    /// Returns the values of `WWW-Authenticate` (RFC 6750 §3); none with `503`, and none where another
    /// token or key would change nothing.
    pub(crate) fn challenges(&self) -> impl Iterator<Item = HeaderValue> {
        let silent = matches!(
            self.reason,
            Reason::KeysUnavailable
                | Reason::CheckUnavailable
                | Reason::Denied
                | Reason::Role
                | Reason::Claim
        );
        let own = (!silent).then(|| self.challenge());
        let others = self.others.iter().map(bare_challenge);
        own.into_iter()
            .chain(others)
            .filter_map(|text| HeaderValue::try_from(text).ok())
    }

    fn challenge(&self) -> String {
        let mut text = bare_challenge(&(self.scheme, Arc::clone(&self.provider)));
        if let Some(error) = self.error() {
            let detail = self.detail();
            text.push_str(&format!(
                ", error=\"{error}\", error_description=\"{detail}\""
            ));
        }
        if self.reason == Reason::Scope {
            text.push_str(&format!(", scope=\"{}\"", quotable(&self.scopes.join(" "))));
        }
        text
    }
}

fn bare_challenge((scheme, realm): &Realm) -> String {
    format!("{scheme} realm=\"{}\"", quotable(realm))
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
            scheme: "Bearer",
            scopes: vec!["orders:read".into(), "orders:write".into()],
            others: Vec::new(),
            answer: None,
        };
        assert_eq!(refused.status().as_u16(), status);
        assert_eq!(refused.code(), code);
        let values: Vec<_> = refused.challenges().collect();
        assert_eq!(values, Vec::from_iter(challenge));
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
    fn who_is_known_and_may_not_gets_no_challenge() {
        assert_answer(Reason::Role, 403, "forbidden", None);
        assert_answer(Reason::Claim, 403, "forbidden", None);
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
                 error_description=\"more than one token or key\"",
            ),
        );
    }
}
