//! From failure to HTTP, and the only place for it. What the monolith says of itself stays inside.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use problem::Problem;
use serde_json::json;

use crate::monolith::Failure;
use crate::translate::{Objection, Violation};

/// An answer that is an error.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Nobody else was involved, or it does not matter.
    Ours(Problem),
    /// The monolith was not asked; when it is worth trying again, in seconds.
    NotNow { retry_after_s: u64 },
}

pub(crate) fn not_found(id: i64, failure: Failure) -> Refusal {
    match failure {
        Failure::Objection(Objection::NoSuchCustomer) => Refusal::Ours(no_customer(id)),
        failure => not_listed(failure),
    }
}

pub(crate) fn not_updated(id: i64, failure: Failure) -> Refusal {
    match failure {
        Failure::Objection(Objection::Stale { current }) => Refusal::Ours(
            Problem::new(
                StatusCode::CONFLICT,
                "version_conflict",
                format!("the customer has changed meanwhile and is at version {current} now"),
            )
            .with("current_version", json!(current)),
        ),
        Failure::Objection(Objection::Invalid(violations)) => invalid(violations),
        failure => not_found(id, failure),
    }
}

pub(crate) fn invalid(violations: Vec<Violation>) -> Refusal {
    let problem = Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_customer",
        "some fields cannot be accepted; `errors` names them all",
    );
    Refusal::Ours(problem.with("errors", json!(violations)))
}

/// What can go wrong with any call.
pub(crate) fn not_listed(failure: Failure) -> Refusal {
    let bad_gateway = |code, detail: &str| Problem::new(StatusCode::BAD_GATEWAY, code, detail);
    Refusal::Ours(match failure {
        Failure::BreakerOpen(refused) => {
            // Rounded up: who comes back too early is refused again.
            let after = refused.retry_after;
            let retry_after_s = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            return Refusal::NotNow { retry_after_s };
        }
        Failure::Timeout => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "legacy_timeout",
            "the monolith did not answer in time",
        ),
        Failure::Unreachable => bad_gateway("legacy_unreachable", "the monolith cannot be reached"),
        Failure::BadAnswer => {
            bad_gateway("legacy_bad_answer", "the monolith gave no answer of use")
        }
        Failure::Objection(Objection::Misunderstood) => {
            bad_gateway("legacy_misunderstood", "the monolith did not understand")
        }
        Failure::Objection(_) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "legacy_refused",
            "the monolith refuses this, for a reason that is not known here",
        ),
    })
}

fn no_customer(id: i64) -> Problem {
    Problem::not_found(format!("there is no customer {id}"))
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Ours(problem) => problem.into_response(),
            Self::NotNow { retry_after_s } => {
                let problem = Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "legacy_unavailable",
                    "the monolith has failed several times in a row and is left alone for a moment",
                );
                let retry_after = [(header::RETRY_AFTER, HeaderValue::from(retry_after_s))];
                (retry_after, problem).into_response()
            }
        }
    }
}
