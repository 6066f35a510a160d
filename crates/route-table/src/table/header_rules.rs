//! What a route changes about headers.

use http::{HeaderMap, HeaderName, HeaderValue};

/// `request_headers:` or `response_headers:` of a route; done in this order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct HeaderRules {
    pub remove: Vec<HeaderName>,
    /// Instead of all that were there.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Beside those that were there.
    pub add: Vec<(HeaderName, HeaderValue)>,
}

impl HeaderRules {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// Does what the rules say.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name.clone(), value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name.clone(), value.clone());
        }
    }
}
