//! `/userinfo`: who the bearer of an access token speaks for.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use problem::Problem;
use serde::Serialize;

use crate::domain::scope::{OPENID, Scopes};
use crate::http::answers::NO_STORE;
use crate::provider::Provider;
use crate::tokens::Profile;

/// What the token's scope lets its bearer see.
#[derive(Debug, Serialize)]
struct UserInfo {
    sub: String,
    #[serde(flatten)]
    profile: Option<Profile>,
}

/// Why there is no answer, by RFC 6750, section 3.1.
#[derive(Debug, Clone, Copy)]
pub(super) enum BearerError {
    Missing,
    Invalid,
    InsufficientScope,
}

pub(super) async fn userinfo(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
) -> Result<Response, BearerError> {
    let token = bearer(&headers).ok_or(BearerError::Missing)?;
    let claims = provider
        .tokens
        .read_access_token(token, provider.clock.now())
        .map_err(|error| {
            tracing::info!(%error, "access token refused");
            BearerError::Invalid
        })?;
    let scope = Scopes::parse(&claims.scope);
    if !scope.contains(OPENID) {
        return Err(BearerError::InsufficientScope);
    }
    let user = provider
        .users
        .by_sub(&claims.sub)
        .ok_or(BearerError::Invalid)?;
    let info = UserInfo {
        sub: claims.sub,
        profile: Profile::visible(user, &scope),
    };
    Ok((NO_STORE, Json(info)).into_response())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl IntoResponse for BearerError {
    fn into_response(self) -> Response {
        let (problem, challenge) = match self {
            Self::Missing => (
                Problem::unauthorized("an access token is required"),
                "Bearer",
            ),
            Self::Invalid => (
                Problem::new(
                    StatusCode::UNAUTHORIZED,
                    "invalid_token",
                    "the access token is not good, or no longer",
                ),
                r#"Bearer error="invalid_token""#,
            ),
            Self::InsufficientScope => (
                Problem::new(
                    StatusCode::FORBIDDEN,
                    "insufficient_scope",
                    "the access token lacks the scope `openid`",
                ),
                r#"Bearer error="insufficient_scope", scope="openid""#,
            ),
        };
        ([(header::WWW_AUTHENTICATE, challenge)], problem).into_response()
    }
}
