//! Which values of a row were written there; all others are defaults.

/// Names of the keys that a row has, those of mappings in it with a dot: `retries`, `retries.attempts`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Given(Vec<Box<str>>);

impl Given {
    pub(crate) fn new(keys: Vec<Box<str>>) -> Self {
        Self(keys)
    }

    /// Whether the row has this key.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|given| **given == *key)
    }
}
