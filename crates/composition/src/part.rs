//! One part of an answer.

use std::time::Duration;

use problem::Problem;
use reqwest::RequestBuilder;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::budget::Budget;
use crate::exchange::first_answer;
use crate::failed::{Failed, NoAnswer};
use crate::policy::{Criticality, Policy};
use crate::state::{PartState, State};

/// A part about to be fetched.
#[derive(Debug, Clone)]
pub struct Part<T> {
    name: &'static str,
    policy: Policy<T>,
    budget: Budget,
}

/// A part that has been fetched, or has failed.
#[derive(Debug, Clone)]
pub struct Fetched<T> {
    pub(crate) name: &'static str,
    role: Role,
    pub(crate) outcome: Outcome<T>,
}

/// What the answer is without this part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Subject,
    Required,
    Optional,
}

#[derive(Debug, Clone)]
pub(crate) enum Outcome<T> {
    There(T),
    Substituted(T, PartState),
    Missing(Failed),
}

impl<T> Part<T> {
    /// A part under a policy, within the answer's budget.
    #[must_use]
    pub fn new(name: &'static str, policy: Policy<T>, budget: Budget) -> Self {
        Self {
            name,
            policy,
            budget,
        }
    }

    /// Takes a value that is there already.
    #[must_use]
    pub fn ready(self, value: T) -> Fetched<T> {
        self.ended(Ok(value))
    }

    /// Gives the part up because what it depends on is missing.
    #[must_use]
    pub fn skipped(self) -> Fetched<T> {
        self.ended(Err(Failed::skipped("what it depends on is missing")))
    }

    fn ended(self, result: Result<T, Failed>) -> Fetched<T> {
        let role = match &self.policy.criticality {
            Criticality::Required { subject: true } => Role::Subject,
            Criticality::Required { subject: false } => Role::Required,
            Criticality::Optional | Criticality::Fallback(_) => Role::Optional,
        };
        let outcome = match (result, self.policy.criticality) {
            (Ok(value), _) => Outcome::There(value),
            (Err(failed @ Failed::Refused(_)), _) => Outcome::Missing(failed),
            (Err(failed), Criticality::Fallback(value)) => {
                let state = PartState {
                    state: State::Fallback,
                    ..failed.state()
                };
                Outcome::Substituted(value, state)
            }
            (Err(failed), _) => Outcome::Missing(failed),
        };
        Fetched {
            name: self.name,
            role,
            outcome,
        }
    }
}

impl<T: DeserializeOwned> Part<T> {
    /// Sends the request and reads the whole JSON body, in time.
    pub async fn fetch(self, request: RequestBuilder) -> Fetched<T> {
        self.fetch_any(vec![request]).await
    }

    /// As [`Part::fetch`], with other instances to ask when the first can't be reached. With nobody to
    /// ask, the part is skipped.
    pub async fn fetch_any(self, requests: Vec<RequestBuilder>) -> Fetched<T> {
        let limit = self.budget.for_part(self.policy.timeout);
        let until = Instant::now() + limit;
        // One limit for connecting, the headers and the body: a service that stalls in the middle of its
        // body holds nobody up.
        let answer = tokio::time::timeout_at(until, first_answer(requests, until)).await;
        let result = answer
            .unwrap_or_else(|_| Err(Failed::timeout()))
            .and_then(|body| {
                serde_json::from_slice(&body)
                    .map_err(|error| Failed::bad_answer("broken_answer", true, error))
            });
        if let Err(failed) = &result {
            log(self.name, failed, limit);
        }
        self.ended(result)
    }
}

/// The client is told a code; the log knows the rest.
fn log(part: &str, failed: &Failed, limit: Duration) {
    let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    let context = chassis::Context::current();
    let (request_id, trace_id) = (context.request_id, context.trace.trace_id.to_string());
    if let Failed::Missing { state, cause, .. } = failed {
        let (state, code) = (state.state, state.code);
        tracing::warn!(
            part,
            ?state,
            code,
            cause,
            limit_ms,
            request_id,
            trace_id,
            "part missing"
        );
    }
}

impl<T> Fetched<T> {
    /// The value, be it a substitute; `None` when the part is missing and the answer can do without.
    ///
    /// # Errors
    /// The answer can't do without this part, or its service refused the caller.
    pub fn into_value(self) -> Result<Option<T>, NoAnswer> {
        match self.outcome {
            Outcome::There(value) | Outcome::Substituted(value, _) => Ok(Some(value)),
            Outcome::Missing(failed @ Failed::Refused(_)) => {
                Err(failed.into_no_answer(self.name, false))
            }
            Outcome::Missing(failed) => match self.role {
                Role::Optional => Ok(None),
                Role::Required => Err(failed.into_no_answer(self.name, false)),
                Role::Subject => Err(failed.into_no_answer(self.name, true)),
            },
        }
    }

    /// The value, whatever the policy says.
    ///
    /// # Errors
    /// The part is missing.
    pub fn into_required(self) -> Result<T, NoAnswer> {
        match self.outcome {
            Outcome::There(value) | Outcome::Substituted(value, _) => Ok(value),
            Outcome::Missing(failed) => {
                Err(failed.into_no_answer(self.name, self.role == Role::Subject))
            }
        }
    }

    /// The value, if there is one.
    #[must_use]
    pub fn value(&self) -> Option<&T> {
        match &self.outcome {
            Outcome::There(value) | Outcome::Substituted(value, _) => Some(value),
            Outcome::Missing(_) => None,
        }
    }

    /// What became of the part when it is not simply there.
    #[must_use]
    pub fn state(&self) -> Option<PartState> {
        match &self.outcome {
            Outcome::There(_) => None,
            Outcome::Substituted(_, state) => Some(*state),
            Outcome::Missing(failed) => Some(failed.state()),
        }
    }

    /// Changes the value, if there is one: to another shape, or to a smaller one.
    #[must_use]
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Fetched<U> {
        let outcome = match self.outcome {
            Outcome::There(value) => Outcome::There(change(value)),
            Outcome::Substituted(value, state) => Outcome::Substituted(change(value), state),
            Outcome::Missing(failed) => Outcome::Missing(failed),
        };
        Fetched {
            name: self.name,
            role: self.role,
            outcome,
        }
    }

    /// Keeps the value only if the caller may see it: another's is answered as if it did not exist.
    #[must_use]
    pub fn only_if(mut self, may_see: impl FnOnce(&T) -> bool) -> Self {
        let hidden = match &self.outcome {
            Outcome::There(value) | Outcome::Substituted(value, _) => !may_see(value),
            // Told in other words, it would tell which are there.
            Outcome::Missing(failed) => failed.is_not_found(),
        };
        if hidden {
            let problem = Problem::not_found("there is no such thing");
            self.outcome = Outcome::Missing(Failed::Own(problem));
        }
        self
    }
}
