//! What became of a part, as the client is told.

use serde::Serialize;

/// How a part ended when it is not simply there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// No whole answer in time.
    Timeout,
    /// An error of the service, or on the way to it.
    Error,
    /// Not asked for, because what it depends on is missing.
    Skipped,
    /// A substitute stands in its place.
    Fallback,
}

/// One entry of an answer's `parts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartState {
    pub state: State,
    /// Stable, for programs.
    pub code: &'static str,
    /// Whether asking again may help.
    pub retryable: bool,
}

impl PartState {
    pub(crate) fn timeout() -> Self {
        Self {
            state: State::Timeout,
            code: "timeout",
            retryable: true,
        }
    }

    pub(crate) fn error(code: &'static str, retryable: bool) -> Self {
        Self {
            state: State::Error,
            code,
            retryable,
        }
    }

    /// For a part that could not be asked for.
    #[must_use]
    pub fn skipped() -> Self {
        Self {
            state: State::Skipped,
            code: "skipped",
            retryable: true,
        }
    }
}
