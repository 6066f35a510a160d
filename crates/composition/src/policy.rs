//! How long a part may take, and what its failure means.

use std::time::Duration;

/// A part's own timeout unless its policy says otherwise.
const TIMEOUT: Duration = Duration::from_secs(1);

/// What holds for one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy<T> {
    /// Default 1 s; never more than the budget allows.
    pub timeout: Duration,
    pub criticality: Criticality<T>,
}

/// What an answer is worth without a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Criticality<T> {
    /// Nothing. `subject`: the part is what was asked for, and its own 404 or 409 is the answer.
    Required { subject: bool },
    /// Still something: the part is `null` and explained.
    Optional,
    /// As good, with this in its place, marked.
    Fallback(T),
}

impl<T> Policy<T> {
    /// For a part that the answer can't do without.
    #[must_use]
    pub fn required() -> Self {
        Self::of(Criticality::Required { subject: false })
    }

    /// For the part that was asked for.
    #[must_use]
    pub fn required_subject() -> Self {
        Self::of(Criticality::Required { subject: true })
    }

    /// For a part that the answer can do without.
    #[must_use]
    pub fn optional() -> Self {
        Self::of(Criticality::Optional)
    }

    /// For a part that has a substitute.
    #[must_use]
    pub fn fallback(value: T) -> Self {
        Self::of(Criticality::Fallback(value))
    }

    /// Another timeout than the default.
    #[must_use]
    pub fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    fn of(criticality: Criticality<T>) -> Self {
        Self {
            timeout: TIMEOUT,
            criticality,
        }
    }
}
