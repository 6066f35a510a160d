//! Errors as HTTP answers: problem details by RFC 9457.
//!
//! Every problem carries a stable `code` that programs can branch on, repeated in its `type` as
//! `urn:banyan:problem:<code>`. The `detail` is for people and says nothing of the inside.
//!
//! ```
//! use problem::Problem;
//!
//! let problem = Problem::not_found("order 7 does not exist");
//! assert_eq!(problem.status(), 404);
//! assert_eq!(problem.code(), "not_found");
//! ```

pub mod extract;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

/// What a handler returns.
pub type Result<T> = std::result::Result<T, Problem>;

/// Media type of a problem document.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// One problem document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    type_uri: Option<&'static str>,
    detail: String,
    members: Map<String, Value>,
}

impl Problem {
    /// Makes a problem of any status. `code` is stable and in `snake_case`.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            type_uri: None,
            detail: detail.into(),
            members: Map::new(),
        }
    }

    /// Adds a member of the problem's own. The members that RFC 9457 defines can't be replaced.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: Value) -> Self {
        self.members.insert(key.into(), value);
        self
    }

    /// Replaces the type by a registered one, such as IANA's `quota-exceeded`.
    #[must_use]
    pub fn with_type(mut self, uri: &'static str) -> Self {
        self.type_uri = Some(uri);
        self
    }

    /// 400: the request can't be understood.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    /// 401: who is asking? The caller adds `WWW-Authenticate`.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// 403: known, and not allowed.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 404: there is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 409: not in this state.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// 422: understood, and impossible.
    pub fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", detail)
    }

    /// 503: not now.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }

    /// 504: somebody behind us did not answer in time.
    pub fn gateway_timeout(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "gateway_timeout", detail)
    }

    /// 500: a defect of ours. The caller logs what happened; the client learns nothing of it.
    #[must_use]
    pub fn internal() -> Self {
        let detail = "something went wrong here; the log knows more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The text for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The document as JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut document = self.members.clone();
        let type_uri = self.type_uri.map_or_else(
            || format!("urn:banyan:problem:{}", self.code),
            ToOwned::to_owned,
        );
        document.insert("type".to_owned(), type_uri.into());
        document.insert(
            "title".to_owned(),
            self.status.canonical_reason().unwrap_or("Error").into(),
        );
        document.insert("status".to_owned(), self.status.as_u16().into());
        document.insert("detail".to_owned(), self.detail.clone().into());
        document.insert("code".to_owned(), self.code.into());
        Value::Object(document).to_string().into_bytes()
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE)),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        (self.status, headers, self.to_json()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn document(problem: &Problem) -> Value {
        serde_json::from_slice(&problem.to_json()).expect("JSON")
    }

    #[test]
    fn a_document_has_the_members_of_rfc_9457_and_the_code() {
        let problem = Problem::conflict("the version is 4").with("version", 4.into());
        assert_eq!(
            document(&problem),
            serde_json::json!({
                "type": "urn:banyan:problem:conflict",
                "title": "Conflict",
                "status": 409,
                "detail": "the version is 4",
                "code": "conflict",
                "version": 4,
            })
        );
    }

    #[test]
    fn a_member_of_ones_own_cannot_replace_a_defined_one() {
        let problem = Problem::not_found("x").with("status", 200.into());
        assert_eq!(document(&problem)["status"], 404);
    }

    #[test]
    fn a_registered_type_replaces_ours_and_the_code_stays() {
        let problem = Problem::bad_request("x").with_type("https://example.test/p");
        assert_eq!(document(&problem)["type"], "https://example.test/p");
        assert_eq!(document(&problem)["code"], "bad_request");
    }
}
