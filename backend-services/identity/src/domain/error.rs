//! Errors by their names in RFC 6749 and OpenID Connect.

use std::borrow::Cow;

/// An error answer of the authorization or the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {description}")]
pub(crate) struct OAuthError {
    /// The registered code.
    pub(crate) code: &'static str,
    /// For the developer of the client; says nothing that helps an attacker.
    pub(crate) description: Cow<'static, str>,
}

impl OAuthError {
    fn new(code: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            description: description.into(),
        }
    }

    pub(crate) fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new("invalid_request", description)
    }

    /// One answer whether the client is unknown or its secret is wrong.
    pub(crate) fn invalid_client() -> Self {
        Self::new(
            "invalid_client",
            "the client is unknown or did not prove who it is",
        )
    }

    pub(crate) fn invalid_grant(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new("invalid_grant", description)
    }

    pub(crate) fn invalid_scope(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new("invalid_scope", description)
    }

    pub(crate) fn unauthorized_client() -> Self {
        Self::new("unauthorized_client", "the client may not use this grant")
    }

    pub(crate) fn unsupported_grant_type() -> Self {
        Self::new(
            "unsupported_grant_type",
            "grant_type is one of authorization_code, refresh_token, client_credentials",
        )
    }

    pub(crate) fn unsupported_response_type() -> Self {
        Self::new("unsupported_response_type", "response_type must be `code`")
    }

    pub(crate) fn login_required() -> Self {
        Self::new(
            "login_required",
            "nobody is signed in, and prompt=none forbids to ask",
        )
    }

    pub(crate) fn request_not_supported() -> Self {
        Self::new("request_not_supported", "request objects are not supported")
    }

    pub(crate) fn request_uri_not_supported() -> Self {
        Self::new(
            "request_uri_not_supported",
            "request objects are not supported",
        )
    }
}
