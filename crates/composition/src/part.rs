//! One part of an answer.

use std::time::Duration;

use http::StatusCode;
use problem::Problem;
use reqwest::{RequestBuilder, Response};
use serde_json::Value;

use crate::budget::Budget;
use crate::state::{PartState, State};

/// Bytes of one part; a larger one is an error.
const BYTES_MAX: usize = 1024 * 1024;

/// How long a part may take, and what its failure means.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Default 1 s; never more than the budget allows.
    pub timeout: Duration,
    pub criticality: Criticality,
}

/// What an answer is worth without a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Criticality {
    /// Nothing. `subject`: the part is what was asked for, and its own 404 or 409 is the answer.
    Required { subject: bool },
    /// Still something: the part is `null` and explained.
    Optional,
    /// As good, with this in its place, marked.
    Fallback(Value),
}

const TIMEOUT: Duration = Duration::from_secs(1);

impl Policy {
    /// A part that the answer can't do without.
    #[must_use]
    pub fn required() -> Self {
        Self {
            timeout: TIMEOUT,
            criticality: Criticality::Required { subject: false },
        }
    }

    /// The part that was asked for.
    #[must_use]
    pub fn required_subject() -> Self {
        Self {
            timeout: TIMEOUT,
            criticality: Criticality::Required { subject: true },
        }
    }

    /// A part that the answer can do without.
    #[must_use]
    pub fn optional() -> Self {
        Self {
            timeout: TIMEOUT,
            criticality: Criticality::Optional,
        }
    }

    /// A part with a substitute.
    #[must_use]
    pub fn fallback(value: Value) -> Self {
        Self {
            timeout: TIMEOUT,
            criticality: Criticality::Fallback(value),
        }
    }

    /// Another timeout than the default.
    #[must_use]
    pub fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }
}

/// A part about to be fetched.
#[derive(Debug, Clone)]
pub struct Part {
    name: &'static str,
    policy: Policy,
    budget: Budget,
}

/// A part that has been fetched, or has failed.
#[derive(Debug, Clone)]
pub struct Fetched {
    pub(crate) name: &'static str,
    pub(crate) criticality: Criticality,
    pub(crate) outcome: Result<Value, Failed>,
}

/// Why a part is missing.
#[derive(Debug, Clone)]
pub(crate) enum Failed {
    /// 401 and 403 are about who asks: never partial, whatever the policy.
    Refused(Problem),
    /// The service's own 404 or 409.
    Own(Problem),
    Missing(PartState),
}

impl Part {
    /// A part under a policy, within the answer's budget.
    #[must_use]
    pub fn new(name: &'static str, policy: Policy, budget: Budget) -> Self {
        Self {
            name,
            policy,
            budget,
        }
    }

    /// Sends the request and reads the whole JSON body, in time.
    pub async fn fetch(self, request: RequestBuilder) -> Fetched {
        let limit = self.budget.for_part(self.policy.timeout);
        // The header that tells the service its deadline was written when the request was begun; this
        // limit is the stricter one, and covers the body too.
        let fetched = tokio::time::timeout(limit, fetch(request.timeout(limit))).await;
        let outcome = fetched.unwrap_or_else(|_| Err(Failed::Missing(PartState::timeout())));
        if let Err(Failed::Missing(PartState { state, code, .. })) = &outcome {
            tracing::warn!(part = self.name, ?state, code, "part missing");
        }
        Fetched {
            name: self.name,
            criticality: self.policy.criticality,
            outcome,
        }
    }

    /// Takes a value that is there already.
    #[must_use]
    pub fn ready(self, value: Value) -> Fetched {
        Fetched {
            name: self.name,
            criticality: self.policy.criticality,
            outcome: Ok(value),
        }
    }

    /// Gives the part up: it can't be asked for, or what it depends on is missing.
    #[must_use]
    pub fn missing(self, state: PartState) -> Fetched {
        let outcome = Err(Failed::Missing(state));
        Fetched {
            name: self.name,
            criticality: self.policy.criticality,
            outcome,
        }
    }
}

impl Fetched {
    /// The part's value, if it is there.
    #[must_use]
    pub fn value(&self) -> Option<&Value> {
        self.outcome.as_ref().ok()
    }

    /// Changes the value, if it is there: to another shape, or to a smaller one.
    #[must_use]
    pub fn map(mut self, change: impl FnOnce(Value) -> Value) -> Self {
        self.outcome = self.outcome.map(change);
        self
    }

    pub(crate) fn state(&self) -> Option<PartState> {
        match &self.outcome {
            Ok(_) => None,
            Err(Failed::Missing(state)) if matches!(self.criticality, Criticality::Fallback(_)) => {
                Some(PartState {
                    state: State::Fallback,
                    ..state.clone()
                })
            }
            Err(Failed::Missing(state)) => Some(state.clone()),
            Err(Failed::Refused(problem) | Failed::Own(problem)) => {
                Some(PartState::error(problem.code(), false))
            }
        }
    }
}

async fn fetch(request: RequestBuilder) -> Result<Value, Failed> {
    let response = request.send().await.map_err(|error| {
        Failed::Missing(if error.is_timeout() {
            PartState::timeout()
        } else {
            PartState::error("unreachable", true)
        })
    })?;
    let status = response.status();
    if status.is_success() {
        return read(response).await;
    }
    Err(match status {
        StatusCode::UNAUTHORIZED => {
            Failed::Refused(Problem::unauthorized("the token was not accepted"))
        }
        StatusCode::FORBIDDEN => {
            Failed::Refused(Problem::forbidden("the token does not allow this"))
        }
        StatusCode::NOT_FOUND => Failed::Own(Problem::not_found("there is no such thing")),
        StatusCode::CONFLICT => Failed::Own(Problem::conflict("not in this state")),
        StatusCode::GATEWAY_TIMEOUT => Failed::Missing(PartState::timeout()),
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Failed::Missing(PartState::error("unavailable", true))
        }
        _ => Failed::Missing(PartState::error("refused", false)),
    })
}

async fn read(mut response: Response) -> Result<Value, Failed> {
    let broken = || Failed::Missing(PartState::error("broken_answer", true));
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= BYTES_MAX => {
                body.extend_from_slice(&chunk)
            }
            Ok(Some(_)) => return Err(Failed::Missing(PartState::error("too_large", false))),
            Ok(None) => return serde_json::from_slice(&body).map_err(|_| broken()),
            Err(error) if error.is_timeout() => return Err(Failed::Missing(PartState::timeout())),
            Err(_) => return Err(broken()),
        }
    }
}
