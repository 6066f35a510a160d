//! Who asks: what the gateway says of the verified token.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use problem::Problem;

/// The user, with the token to go on with.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The token's subject; can stand in a path as it is.
    pub user: String,
    /// The `Authorization` header as it came.
    pub authorization: HeaderValue,
}

/// The answer to somebody who is not signed in.
#[derive(Debug)]
pub struct Anonymous;

impl IntoResponse for Anonymous {
    fn into_response(self) -> Response {
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
        (
            challenge,
            Problem::unauthorized("this screen needs a token"),
        )
            .into_response()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Anonymous;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Anonymous> {
        let user = parts
            .headers
            .get("x-user-id")
            .and_then(|value| value.to_str().ok());
        let user = user
            .filter(|user| is_user_id(user))
            .ok_or(Anonymous)?
            .to_owned();
        let authorization = parts
            .headers
            .get(header::AUTHORIZATION)
            .cloned()
            .ok_or(Anonymous)?;
        Ok(Self {
            user,
            authorization,
        })
    }
}

/// An id that can stand in a path as it is.
fn is_user_id(user: &str) -> bool {
    !user.is_empty()
        && user
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
