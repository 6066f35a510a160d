//! Tells the operator that an endpoint and its row of the table do not fit together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::balance::{Endpoint, Instant};
use crate::defaults::COMPLAINT_PAUSE;
use crate::state::Clock;

/// What has been said of one upstream. Said now and then: a line for every request would tell
/// nothing new.
#[derive(Debug)]
pub(crate) struct Complaints {
    upstream: Arc<str>,
    /// When the last line was written; zero: never.
    last: AtomicU64,
}

impl Complaints {
    pub(super) fn of(upstream: &Arc<str>) -> Arc<Self> {
        Arc::new(Self {
            upstream: Arc::clone(upstream),
            last: AtomicU64::new(0),
        })
    }

    /// Complaints about one endpoint.
    pub(super) fn about(self: &Arc<Self>, endpoint: &Endpoint, clock: Clock) -> Complaint {
        Complaint {
            about: Arc::clone(self),
            endpoint: Arc::clone(&endpoint.name),
            clock,
        }
    }

    fn is_time(&self, now: Instant) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        if last != 0 && now.since(Instant(last)) < COMPLAINT_PAUSE {
            return false;
        }
        let order = Ordering::Relaxed;
        self.last
            .compare_exchange(last, now.0, order, order)
            .is_ok()
    }
}

/// Whoever has to do with one endpoint and may complain.
#[derive(Debug)]
pub(super) struct Complaint {
    about: Arc<Complaints>,
    endpoint: Arc<str>,
    clock: Clock,
}

impl Complaint {
    /// Says that the endpoint is there and cannot be used.
    pub(super) fn make(&self, error: &dyn std::error::Error) {
        if self.about.is_time(self.clock.now()) {
            tracing::warn!(
                upstream = %self.about.upstream,
                endpoint = %self.endpoint,
                %error,
                "endpoint cannot be used"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_line_in_a_while_is_enough() {
        let complaints = Complaints::of(&"orders".into());
        let first = Instant(1);
        assert!(complaints.is_time(first));
        assert!(!complaints.is_time(first.after(COMPLAINT_PAUSE - Duration::from_nanos(1))));
        assert!(complaints.is_time(first.after(COMPLAINT_PAUSE)));
    }
}
