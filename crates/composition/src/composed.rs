//! The answer, put together.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use problem::Problem;
use serde_json::{Map, Value};

use crate::part::{Criticality, Failed, Fetched};
use crate::state::{PartState, State};

/// Parts, one after the other, on their way to one answer.
#[derive(Debug, Default)]
pub struct Composition {
    data: Map<String, Value>,
    parts: Map<String, Value>,
    /// The first reason why there is no answer at all.
    problem: Option<Problem>,
}

/// What the client gets: data, perhaps partial, or a problem.
pub type Outcome = Result<Composed, Problem>;

/// An answer that is worth sending.
#[derive(Debug, Clone, PartialEq)]
pub struct Composed {
    /// By part; `null` for one that failed.
    pub data: Map<String, Value>,
    /// By part, only those that are not simply there.
    pub parts: Map<String, Value>,
}

impl Composition {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part.
    #[must_use]
    pub fn with(mut self, part: Fetched) -> Self {
        let state = part.state();
        let problem = problem_of(&part);
        let value = match (part.outcome, part.criticality) {
            (Ok(value), _) => value,
            (Err(_), Criticality::Fallback(value)) => value,
            (Err(_), _) => Value::Null,
        };
        self.data.insert(part.name.to_owned(), value);
        if let Some(state) = state {
            let state = serde_json::to_value(state).unwrap_or(Value::Null);
            self.parts.insert(part.name.to_owned(), state);
        }
        self.problem = self.problem.or(problem);
        self
    }

    /// The answer.
    ///
    /// # Errors
    /// The problem of the first part that the answer can't do without.
    pub fn finish(self) -> Outcome {
        match self.problem {
            Some(problem) => Err(problem),
            None => Ok(Composed {
                data: self.data,
                parts: self.parts,
            }),
        }
    }
}

impl Composed {
    /// Whether every part is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.parts.is_empty()
    }

    /// Keeps only the named parts; an empty list keeps all.
    #[must_use]
    pub fn keep(mut self, names: &[&str]) -> Self {
        if !names.is_empty() {
            self.data.retain(|name, _| names.contains(&name.as_str()));
            self.parts.retain(|name, _| names.contains(&name.as_str()));
        }
        self
    }
}

impl IntoResponse for Composed {
    fn into_response(self) -> Response {
        let complete = self.is_complete();
        let body = serde_json::json!({ "data": self.data, "parts": self.parts });
        let mut response = axum::Json(body).into_response();
        // A partial answer is nothing to keep; a complete one is the user's own.
        let caching = if complete {
            "private, no-cache"
        } else {
            "no-store"
        };
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
        response
    }
}

/// Why the whole answer fails with this part, if it does.
fn problem_of(part: &Fetched) -> Option<Problem> {
    let failed = part.outcome.as_ref().err()?;
    if let Failed::Refused(problem) = failed {
        return Some(problem.clone());
    }
    let Criticality::Required { subject } = part.criticality else {
        return None;
    };
    Some(match failed {
        Failed::Own(problem) if subject => problem.clone(),
        Failed::Own(_) | Failed::Refused(_) => bad_gateway(part.name),
        Failed::Missing(PartState {
            state: State::Timeout,
            ..
        }) => Problem::gateway_timeout(format!("`{}` did not come in time", part.name)),
        Failed::Missing(PartState {
            retryable: true, ..
        }) => Problem::unavailable(format!("`{}` is not available", part.name)),
        Failed::Missing(_) => bad_gateway(part.name),
    })
}

fn bad_gateway(name: &str) -> Problem {
    Problem::new(
        StatusCode::BAD_GATEWAY,
        "part_failed",
        format!("`{name}` could not be had"),
    )
}
