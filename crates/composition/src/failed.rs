//! Why a part is missing, and what that means for the whole answer.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use problem::Problem;

use crate::state::PartState;

/// Why there is no answer at all.
#[derive(Debug, Clone)]
pub struct NoAnswer {
    problem: Problem,
    /// `WWW-Authenticate`, where it is about who asks.
    challenge: Option<Box<HeaderValue>>,
}

/// Why a part is missing.
#[derive(Debug, Clone)]
pub(crate) enum Failed {
    /// 401 and 403 are about who asks: never partial, whatever the policy.
    Refused(NoAnswer),
    /// The service's own 404 or 409.
    Own(Problem),
    Missing {
        state: PartState,
        /// What the whole answer is when it can't do without this part.
        status: StatusCode,
        /// For the log, never for the client.
        cause: String,
    },
}

impl NoAnswer {
    /// Nobody is signed in.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            problem: Problem::unauthorized("this needs a token"),
            challenge: Some(Box::new(HeaderValue::from_static("Bearer"))),
        }
    }

    pub(crate) fn refused(problem: Problem, challenge: Option<HeaderValue>) -> Self {
        // RFC 9110: a 401 must say how to get in.
        let default = HeaderValue::from_static("Bearer");
        let needs = problem.status() == StatusCode::UNAUTHORIZED;
        Self {
            problem,
            challenge: challenge.or_else(|| needs.then_some(default)).map(Box::new),
        }
    }

    pub(crate) fn is_refusal(&self) -> bool {
        matches!(
            self.problem.status(),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        )
    }

    /// What the client is told.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl From<Problem> for NoAnswer {
    fn from(problem: Problem) -> Self {
        Self {
            problem,
            challenge: None,
        }
    }
}

impl IntoResponse for NoAnswer {
    fn into_response(self) -> Response {
        let mut response = self.problem.into_response();
        if let Some(challenge) = self.challenge {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, *challenge);
        }
        response
    }
}

impl Failed {
    pub(crate) fn timeout() -> Self {
        Self::Missing {
            state: PartState::TIMEOUT,
            status: StatusCode::GATEWAY_TIMEOUT,
            cause: "no whole answer in time".to_owned(),
        }
    }

    /// The service, or the way to it, does not work at the moment.
    pub(crate) fn unavailable(code: &'static str, cause: impl ToString) -> Self {
        Self::Missing {
            state: PartState::error(code, true),
            status: StatusCode::SERVICE_UNAVAILABLE,
            cause: cause.to_string(),
        }
    }

    /// The service answered what it should not.
    pub(crate) fn bad_answer(code: &'static str, retryable: bool, cause: impl ToString) -> Self {
        Self::Missing {
            state: PartState::error(code, retryable),
            status: StatusCode::BAD_GATEWAY,
            cause: cause.to_string(),
        }
    }

    /// It was not asked for.
    pub(crate) fn skipped(cause: &str) -> Self {
        Self::Missing {
            state: PartState::SKIPPED,
            status: StatusCode::SERVICE_UNAVAILABLE,
            cause: cause.to_owned(),
        }
    }

    /// What the client is told when the answer can do without the part.
    pub(crate) fn state(&self) -> PartState {
        match self {
            Self::Refused(no_answer) => PartState::error(no_answer.problem.code(), false),
            Self::Own(problem) => PartState::error(problem.code(), false),
            Self::Missing { state, .. } => *state,
        }
    }

    /// Whether the service says that there is no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Own(problem) if problem.status() == StatusCode::NOT_FOUND)
    }

    /// What the client is told when the answer can't do without the part `name`.
    pub(crate) fn into_no_answer(self, name: &str, is_subject: bool) -> NoAnswer {
        let missing = |status, code| Problem::new(status, code, format!("`{name}` is missing"));
        match self {
            Self::Refused(no_answer) => no_answer,
            Self::Own(problem) if is_subject => problem.into(),
            Self::Own(_) => missing(StatusCode::BAD_GATEWAY, "part_failed").into(),
            Self::Missing { status, .. } => match status {
                StatusCode::GATEWAY_TIMEOUT => {
                    Problem::gateway_timeout(format!("`{name}` did not come in time"))
                }
                StatusCode::SERVICE_UNAVAILABLE => {
                    Problem::unavailable(format!("`{name}` is not available at the moment"))
                }
                status => missing(status, "part_failed"),
            }
            .into(),
        }
    }
}
