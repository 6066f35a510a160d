//! Everything that can go wrong with a request, whose fault it is, and what the client is told.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use problem::Problem;

use crate::auth::AuthRefused;
use crate::limits::{QUOTA_EXCEEDED_TYPE, VIOLATED_POLICIES};
use crate::respond::ResponseBody;

/// Names the failure's code, so that a caller knows whose answer this is without reading the body.
pub(crate) const X_GATEWAY_ERROR: HeaderName = HeaderName::from_static("x-gateway-error");

/// Who has to mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Client,
    Gateway,
    Upstream,
}

/// Why a request got no answer from an upstream. The codes are stable: log, metrics and clients
/// share them.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request breaks RFC 9110, 9112 or 9113; the text says how.
    MalformedRequest(&'static str),
    /// The path has no one canonical form; the text says why.
    PathRefused(&'static str),
    /// CONNECT and TRACE have no place behind a gateway.
    MethodRefused,
    HeadersTooMany,
    NoRoute,
    BodyTooLarge {
        limit_bytes: u64,
    },
    /// The client's body ended early or its framing is broken.
    BodyBroken,
    /// The client stopped sending.
    BodyStalled,
    Unauthorized(AuthRefused),
    /// The route is not for clients of this address.
    AddressRefused,
    RateLimited {
        /// The limit's name, or the listener's for its coarse limit.
        limit: Arc<str>,
        retry_after: Duration,
    },
    /// The table says that the row is closed for now.
    Maintenance {
        retry_after: Duration,
    },
    /// The client's own deadline has passed.
    DeadlineExceeded,
    /// The gateway has too much to do for a request of this priority.
    Overloaded,
    /// As much is under way to the upstream as its circuit allows.
    CircuitOpen,
    /// Discovery knows no endpoint of the upstream.
    NoEndpoint,
    /// No connection to any endpoint that was tried.
    UpstreamUnreachable,
    /// The connection broke before the response's headers.
    UpstreamReset,
    /// What came back is no HTTP.
    UpstreamMalformed,
    /// No response headers within the route's timeout.
    UpstreamTimeout,
    /// The client takes nothing but what is kept (`only-if-cached`), and there is nothing.
    NotCached,
    /// A defect of ours.
    Internal,
}

impl Failure {
    /// The name in log, metrics, `X-Gateway-Error` and the problem's `code`.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::MalformedRequest(_) => "malformed_request",
            Self::PathRefused(_) => "path_refused",
            Self::MethodRefused => "method_refused",
            Self::HeadersTooMany => "headers_too_large",
            Self::NoRoute => "no_route",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::BodyBroken => "body_broken",
            Self::BodyStalled => "body_stalled",
            Self::Unauthorized(refused) => refused.code(),
            Self::AddressRefused => "address_refused",
            Self::RateLimited { .. } => "rate_limited",
            Self::Maintenance { .. } => "maintenance",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Overloaded => "overloaded",
            Self::CircuitOpen => "circuit_open",
            Self::NoEndpoint => "no_endpoint",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::UpstreamReset => "upstream_reset",
            Self::UpstreamMalformed => "upstream_malformed",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::NotCached => "not_cached",
            Self::Internal => "internal",
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::MalformedRequest(_) | Self::PathRefused(_) | Self::BodyBroken => {
                StatusCode::BAD_REQUEST
            }
            Self::MethodRefused => StatusCode::METHOD_NOT_ALLOWED,
            Self::HeadersTooMany => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyStalled => StatusCode::REQUEST_TIMEOUT,
            Self::Unauthorized(refused) => refused.status(),
            Self::AddressRefused => StatusCode::FORBIDDEN,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            // 504 by RFC 9111, section 5.2.1.7.
            Self::DeadlineExceeded | Self::UpstreamTimeout | Self::NotCached => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Self::Maintenance { .. } | Self::Overloaded | Self::CircuitOpen | Self::NoEndpoint => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::UpstreamUnreachable | Self::UpstreamReset | Self::UpstreamMalformed => {
                StatusCode::BAD_GATEWAY
            }
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(crate) fn source(&self) -> Source {
        match self {
            Self::CircuitOpen
            | Self::NoEndpoint
            | Self::UpstreamUnreachable
            | Self::UpstreamReset
            | Self::UpstreamMalformed
            | Self::UpstreamTimeout => Source::Upstream,
            Self::Internal | Self::Overloaded | Self::Maintenance { .. } => Source::Gateway,
            Self::Unauthorized(refused) if refused.status().is_server_error() => Source::Gateway,
            _ => Source::Client,
        }
    }

    /// Whether what follows on the connection is not worth reading, or not safe to read: who writes one
    /// request that has two readings may have hidden another one behind it.
    fn closes_connection(&self) -> bool {
        matches!(
            self,
            Self::MalformedRequest(_)
                | Self::MethodRefused
                | Self::HeadersTooMany
                | Self::BodyTooLarge { .. }
                | Self::BodyBroken
                | Self::BodyStalled
        )
    }

    /// Whether the client hears it in the words of somebody else whom the route asks about callers.
    pub(crate) fn is_in_others_words(&self) -> bool {
        matches!(self, Self::Unauthorized(refused) if refused.answer.is_some())
    }

    /// What the client is told of it.
    pub(crate) fn detail(&self) -> String {
        self.problem().detail().to_owned()
    }

    fn problem(&self) -> Problem {
        let problem = |detail: &str| Problem::new(self.status(), self.code(), detail);
        match self {
            Self::MalformedRequest(reason) | Self::PathRefused(reason) => problem(reason),
            Self::MethodRefused => problem("CONNECT and TRACE are not served here"),
            Self::HeadersTooMany => problem("the request has too many header fields"),
            Self::NoRoute => problem("nothing is served at this address"),
            Self::BodyTooLarge { limit_bytes } => problem(&format!(
                "the body is larger than the {limit_bytes} bytes allowed here"
            ))
            .with("limit_bytes", (*limit_bytes).into()),
            Self::BodyBroken => problem("the request's body ended early or is framed wrongly"),
            Self::BodyStalled => problem("the request's body stopped arriving"),
            Self::Unauthorized(refused) => problem(refused.detail()),
            Self::AddressRefused => problem("this is not for clients of your address"),
            Self::RateLimited { limit, .. } => {
                problem("the limit is used up; come back after Retry-After")
                    .with_type(QUOTA_EXCEEDED_TYPE)
                    .with(VIOLATED_POLICIES, vec![limit.to_string()].into())
            }
            Self::Maintenance { .. } => {
                problem("this is closed for maintenance; come back after Retry-After")
            }
            Self::DeadlineExceeded => problem("the request's deadline has passed"),
            Self::Overloaded => problem("there is too much to do; come back after Retry-After"),
            Self::CircuitOpen => {
                problem("the service has too much to do; come back after Retry-After")
            }
            Self::NoEndpoint => problem("no instance of the service is known"),
            Self::UpstreamUnreachable => problem("the service cannot be reached"),
            Self::UpstreamReset => problem("the service broke off before it answered"),
            Self::UpstreamMalformed => problem("the service's answer is not valid HTTP"),
            Self::UpstreamTimeout => problem("the service did not answer in time"),
            Self::NotCached => problem("no answer is kept, and no other was asked for"),
            Self::Internal => problem("something went wrong here; the log knows more"),
        }
    }

    fn set_headers(&self, headers: &mut http::HeaderMap) {
        headers.insert(X_GATEWAY_ERROR, HeaderValue::from_static(self.code()));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::Unauthorized(refused) => {
                for challenge in refused.challenges() {
                    headers.append(WWW_AUTHENTICATE, challenge);
                }
            }
            Self::RateLimited { retry_after, .. } | Self::Maintenance { retry_after } => {
                // Whole seconds, rounded up: a client that comes back then is let in.
                let seconds = retry_after.as_secs_f64().ceil().max(1.0);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a float cast saturates, and no wait is that long"
                )]
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds as u64));
            }
            Self::Overloaded | Self::CircuitOpen | Self::NoEndpoint => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::MethodRefused => {
                headers.insert(
                    ALLOW,
                    HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
                );
            }
            _ => {}
        }
    }
}

/// What somebody else who has refused wants the client to hear.
fn in_the_words_of(answer: &Response<Bytes>, failure: &Failure) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(answer.body().clone()));
    *response.status_mut() = answer.status();
    let headers = response.headers_mut();
    headers.clone_from(answer.headers());
    headers.insert(X_GATEWAY_ERROR, HeaderValue::from_static(failure.code()));
    let no_store = || HeaderValue::from_static("no-store");
    headers.entry(CACHE_CONTROL).or_insert_with(no_store);
    response
}

/// Turns a failure into the answer that the client gets.
pub(crate) fn refuse(failure: &Failure) -> Response<ResponseBody> {
    if let Failure::Unauthorized(refused) = failure
        && let Some(answer) = &refused.answer
    {
        return in_the_words_of(answer, failure);
    }
    let mut response = Response::new(ResponseBody::full(failure.problem().to_json().into()));
    *response.status_mut() = failure.status();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    failure.set_headers(headers);
    if failure.closes_connection() {
        headers.insert(http::header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
