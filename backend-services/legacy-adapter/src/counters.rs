//! What became of the calls, counted apart by whose failure it was.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Serialize, Serializer};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Serialize for Counter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0.load(Ordering::Relaxed))
    }
}

/// Since the start of the process. A call that its client gave up is in `calls` only.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Counters {
    /// Calls that were made to the monolith.
    pub(crate) calls: Counter,
    /// Those that it answered, and we passed on.
    pub(crate) answered: Counter,
    /// Those that it refused, rightly as far as we know: the client's failures.
    pub(crate) refused: Counter,
    pub(crate) monolith: MonolithFailures,
    pub(crate) adapter: AdapterFailures,
    /// Requests that the breaker let not through.
    pub(crate) not_asked: Counter,
    /// Calls whose client had less patience than we.
    pub(crate) out_of_time: Counter,
}

/// Failures of the monolith, or of the way to it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct MonolithFailures {
    pub(crate) unreachable: Counter,
    pub(crate) timeouts: Counter,
    /// The connection ended within the answer.
    pub(crate) broken_off: Counter,
    pub(crate) server_faults: Counter,
    /// Answers that are not SOAP, or beyond the limits.
    pub(crate) garbage: Counter,
}

/// Failures of this adapter: somebody has to change it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct AdapterFailures {
    /// The monolith answered, and we could not translate it.
    pub(crate) untranslatable: Counter,
    /// The monolith did not understand our call.
    pub(crate) misunderstood: Counter,
}
