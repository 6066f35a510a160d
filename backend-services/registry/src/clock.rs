//! The registry's own clock: leases are measured by nobody else's.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// A point in time: how long after the clock's start.
///
/// Monotonic on purpose. A wall clock that jumps would end or prolong every lease at once.
pub type Moment = Duration;

/// Tells the time; cheap to clone, and replaceable in tests.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Moment + Send + Sync>);

impl Clock {
    /// A clock that runs with the machine's monotonic one.
    #[must_use]
    pub fn monotonic() -> Self {
        let start = Instant::now();
        Self::new(move || start.elapsed())
    }

    /// A clock that says what `now` says.
    pub fn new(now: impl Fn() -> Moment + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Moment {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}
