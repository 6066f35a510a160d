//! Who asks: what the gateway says of the verified token.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};

use crate::failed::NoAnswer;
use crate::segment::Segment;

/// Set by the gateway from the verified token; what clients send under this name is dropped there.
const USER_HEADER: &str = "x-user-id";

/// The user, with the token to go on with.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The token's subject.
    pub user: Segment,
    /// The `Authorization` header as it came.
    pub authorization: HeaderValue,
}

/// The caller; without one, 401 with a challenge.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = NoAnswer;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, NoAnswer> {
        let headers = &parts.headers;
        let user = headers
            .get(USER_HEADER)
            .and_then(|value| Segment::of(value.to_str().ok()?));
        let mut authorization = headers.get(header::AUTHORIZATION).cloned();
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        match (user, authorization) {
            (Some(user), Some(authorization)) => Ok(Self {
                user,
                authorization,
            }),
            _ => Err(NoAnswer::anonymous()),
        }
    }
}
