//! How things that went wrong become answers.
//!
//! A person at `/authorize`, `/login` or `/end-session` gets a page, a client behind them a
//! redirect, a client at `/token` the JSON of RFC 6749, and everybody else problem details. None of
//! them says what went wrong inside; the log does.

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use problem::Problem;
use serde_json::json;
use url::Url;

use crate::domain::authorization::Refusal;
use crate::domain::error::OAuthError;
use crate::http::pages;
use crate::issuer::Issuer;
use crate::parameters::{Parameters, ParametersError};
use crate::store::GrantError;

/// Keeps answers with secrets in them out of every cache.
pub(super) const NO_STORE: [(header::HeaderName, &str); 2] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::PRAGMA, "no-cache"),
];

/// What went wrong while a person was looking.
#[derive(Debug)]
pub(super) enum PageError {
    /// The person is told.
    Shown(StatusCode, String),
    /// The client is told, by redirect.
    SentBack(Url),
}

/// What went wrong at the token endpoint.
#[derive(Debug)]
pub(super) enum TokenEndpointError {
    /// The client's fault, or the grant's.
    OAuth(OAuthError),
    /// Ours.
    Inside(Problem),
}

impl PageError {
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::Shown(StatusCode::BAD_REQUEST, message.into())
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::Shown(StatusCode::FORBIDDEN, message.into())
    }

    pub(super) fn internal() -> Self {
        let message = "Something went wrong here. Please try again in a moment.";
        Self::Shown(StatusCode::INTERNAL_SERVER_ERROR, message.to_owned())
    }

    pub(super) fn refused(refusal: Refusal, issuer: &Issuer) -> Self {
        match refusal {
            Refusal::Page(message) => Self::bad_request(message),
            Refusal::Redirect(answer_to, error) => {
                let parameters = [
                    ("error", error.code),
                    ("error_description", &*error.description),
                ];
                answer_to
                    .url(issuer.as_str(), &parameters)
                    .map_or_else(Self::internal, Self::SentBack)
            }
        }
    }
}

impl From<ParametersError> for PageError {
    fn from(error: ParametersError) -> Self {
        Self::bad_request(format!("The request cannot be read: {error}."))
    }
}

impl From<sqlx::Error> for PageError {
    fn from(error: sqlx::Error) -> Self {
        tracing::error!(%error, "the database failed");
        match error {
            sqlx::Error::PoolTimedOut => Self::Shown(
                StatusCode::SERVICE_UNAVAILABLE,
                "Too much is going on here. Please try again in a moment.".to_owned(),
            ),
            _ => Self::internal(),
        }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        match self {
            Self::Shown(status, message) => pages::error(status, &message).into_response(),
            Self::SentBack(url) => see_other(&url),
        }
    }
}

impl From<OAuthError> for TokenEndpointError {
    fn from(error: OAuthError) -> Self {
        Self::OAuth(error)
    }
}

impl From<ParametersError> for TokenEndpointError {
    fn from(error: ParametersError) -> Self {
        Self::OAuth(OAuthError::invalid_request(error.to_string()))
    }
}

impl From<GrantError> for TokenEndpointError {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::Refused(error) => Self::OAuth(error),
            GrantError::Database(error) => error.into(),
        }
    }
}

impl From<sqlx::Error> for TokenEndpointError {
    fn from(error: sqlx::Error) -> Self {
        tracing::error!(%error, "the database failed");
        Self::Inside(match error {
            sqlx::Error::PoolTimedOut => Problem::unavailable("the database is busy; try again"),
            _ => Problem::internal(),
        })
    }
}

impl From<jsonwebtoken::errors::Error> for TokenEndpointError {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        tracing::error!(%error, "cannot sign");
        Self::Inside(Problem::internal())
    }
}

impl IntoResponse for TokenEndpointError {
    fn into_response(self) -> Response {
        let error = match self {
            Self::Inside(problem) => return problem.into_response(),
            Self::OAuth(error) => error,
        };
        tracing::info!(error = error.code, description = %error.description, "token refused");
        let body = Json(json!({ "error": error.code, "error_description": error.description }));
        if error.code == "invalid_client" {
            let challenge = [(header::WWW_AUTHENTICATE, r#"Basic realm="identity""#)];
            return (StatusCode::UNAUTHORIZED, NO_STORE, challenge, body).into_response();
        }
        (StatusCode::BAD_REQUEST, NO_STORE, body).into_response()
    }
}

/// Sends the browser on with a GET, whatever it came with (RFC 9700, section 4.12).
pub(super) fn see_other(url: &Url) -> Response {
    (
        StatusCode::SEE_OTHER,
        NO_STORE,
        [(header::LOCATION, url.as_str())],
    )
        .into_response()
}

/// Reads a form.
pub(super) fn form(headers: &HeaderMap, body: &Bytes) -> Result<Parameters, FormError> {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(str::trim);
    if !media_type.is_some_and(|m| m.eq_ignore_ascii_case("application/x-www-form-urlencoded")) {
        return Err(FormError::MediaType);
    }
    Ok(Parameters::parse(body)?)
}

/// Says why a form cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FormError {
    #[error("the body must be application/x-www-form-urlencoded")]
    MediaType,
    #[error(transparent)]
    Parameters(#[from] ParametersError),
}

impl From<FormError> for PageError {
    fn from(error: FormError) -> Self {
        Self::bad_request(format!("The request cannot be read: {error}."))
    }
}

impl From<FormError> for TokenEndpointError {
    fn from(error: FormError) -> Self {
        Self::OAuth(OAuthError::invalid_request(error.to_string()))
    }
}
