//! One of each of equal values: large tables say the same of many routes.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// The values so far.
#[derive(Debug)]
pub(super) struct Shared<T>(HashSet<Arc<T>>);

impl<T: Eq + Hash> Shared<T> {
    pub(super) fn new() -> Self {
        Self(HashSet::new())
    }

    /// The value that equals `value`, or `value` itself if it is the first.
    pub(super) fn share(&mut self, value: T) -> Arc<T> {
        if let Some(known) = self.0.get(&value) {
            return Arc::clone(known);
        }
        let first = Arc::new(value);
        self.0.insert(Arc::clone(&first));
        first
    }
}
