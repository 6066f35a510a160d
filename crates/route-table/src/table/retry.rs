//! When a request is sent again.

use std::time::Duration;

/// What a route says of second attempts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RetryPolicy {
    /// Attempts after the first; default 1, at most 5.
    pub attempts: u32,
    pub on: RetryOn,
    /// Whether a request that may have had its effect is sent again whatever its method. Default no:
    /// only `GET`, `HEAD`, `OPTIONS`, `PUT` and `DELETE`, which RFC 9110 calls idempotent.
    pub any_method: bool,
    /// The first pause is a random share of this, the next of twice as much …
    pub backoff: Duration,
    /// … up to this.
    pub backoff_max: Duration,
}

/// What calls for another attempt. A request that was not sent is always tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RetryOn {
    /// The connection broke before the answer's headers.
    pub reset: bool,
    /// `try_timeout` has passed.
    pub timeout: bool,
    /// Answers with these statuses; a bit each.
    pub bad_gateway: bool,
    pub unavailable: bool,
    pub gateway_timeout: bool,
}

impl RetryOn {
    /// Whether an answer with this status calls for another attempt.
    #[must_use]
    pub fn status(self, status: http::StatusCode) -> bool {
        match status.as_u16() {
            502 => self.bad_gateway,
            503 => self.unavailable,
            504 => self.gateway_timeout,
            _ => false,
        }
    }
}
