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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PartState {
    pub state: State,
    /// Stable, for programs.
    pub code: &'static str,
    /// Whether asking again may help.
    pub retryable: bool,
}

impl PartState {
    pub(crate) const TIMEOUT: Self = Self::new(State::Timeout, "timeout", true);
    pub(crate) const SKIPPED: Self = Self::new(State::Skipped, "skipped", true);

    const fn new(state: State, code: &'static str, retryable: bool) -> Self {
        Self {
            state,
            code,
            retryable,
        }
    }

    pub(crate) const fn error(code: &'static str, retryable: bool) -> Self {
        Self::new(State::Error, code, retryable)
    }
}
