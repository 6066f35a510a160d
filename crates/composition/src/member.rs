//! Reading JSON of which nothing is known for sure.

use serde_json::Value;

/// Members of a value that may have none.
pub trait Member {
    /// The member, or null when there is none: an answer of another shape shows gaps, it does not fail.
    fn member(&self, name: &str) -> &Value;
}

impl Member for Value {
    fn member(&self, name: &str) -> &Value {
        self.get(name).unwrap_or(&Self::Null)
    }
}
