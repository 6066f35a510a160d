//! The time, injected so that tests can let a code expire without waiting.

use std::fmt;
use std::sync::Arc;

/// Seconds since the Unix epoch.
pub(crate) type UnixSeconds = i64;

/// Tells the time; cheap to clone.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> UnixSeconds + Send + Sync>);

impl Clock {
    /// The system's clock.
    pub(crate) fn system() -> Self {
        Self(Arc::new(|| jiff::Timestamp::now().as_second()))
    }

    /// A clock that stands where the test puts it.
    #[cfg(test)]
    pub(crate) fn manual(now: Arc<std::sync::atomic::AtomicI64>) -> Self {
        Self(Arc::new(move || {
            now.load(std::sync::atomic::Ordering::SeqCst)
        }))
    }

    /// The time now.
    pub(crate) fn now(&self) -> UnixSeconds {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
