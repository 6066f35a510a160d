//! The answer, put together.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::failed::NoAnswer;
use crate::part::Fetched;
use crate::state::PartState;

/// Parts, one after the other, on their way to one answer.
#[derive(Debug, Default)]
pub struct Composition {
    data: Map<String, Value>,
    parts: Map<String, Value>,
    /// Why there is no answer at all, if there is none.
    no_answer: Option<NoAnswer>,
}

/// An answer that is worth sending.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
    pub fn with<T: Serialize>(mut self, part: Fetched<T>) -> Self {
        let (name, mut state) = (part.name, part.state());
        let value = match part.into_value() {
            Ok(value) => serde_json::to_value(value).unwrap_or_else(|error| {
                tracing::error!(part = name, %error, "a part can't be written as JSON");
                state = Some(PartState::error("internal", false));
                Value::Null
            }),
            Err(no_answer) => {
                // Who may not ask should learn that, whatever else went wrong.
                if self.no_answer.is_none() || no_answer.is_refusal() {
                    self.no_answer = Some(no_answer);
                }
                Value::Null
            }
        };
        self.data.insert(name.to_owned(), value);
        if let Some(state) = state {
            self.parts.insert(name.to_owned(), serde_json::json!(state));
        }
        self
    }

    /// Adds a part that was asked for; `None`: it was not.
    #[must_use]
    pub fn with_asked<T: Serialize>(self, part: Option<Fetched<T>>) -> Self {
        match part {
            Some(part) => self.with(part),
            None => self,
        }
    }

    /// The answer.
    ///
    /// # Errors
    /// The first part that the answer can't do without is missing, or a service refused the caller.
    pub fn finish(self) -> Result<Composed, NoAnswer> {
        match self.no_answer {
            Some(no_answer) => Err(no_answer),
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
}

impl IntoResponse for Composed {
    fn into_response(self) -> Response {
        // A partial answer is nothing to keep; a complete one is the user's own.
        let caching = if self.is_complete() {
            "private, no-cache"
        } else {
            "no-store"
        };
        let headers = [(header::CACHE_CONTROL, HeaderValue::from_static(caching))];
        (headers, axum::Json(self)).into_response()
    }
}
