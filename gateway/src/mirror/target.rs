//! A mirror: what waits for it and is under way to it, and whether it is left alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Semaphore;

use crate::balance::{Instant, Pauses};
use crate::defaults::{COPIES_MAX, COPIES_UNDER_WAY_MAX, MIRROR_FAILURES};

/// What is known of an upstream as a mirror. It lives as long as the upstream does.
#[derive(Debug)]
pub(crate) struct Target {
    /// Copies that wait or are under way.
    pending: AtomicU32,
    /// One place for each copy under way.
    pub(super) places: Arc<Semaphore>,
    failures_in_a_row: AtomicU32,
    pauses: Pauses,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            pending: AtomicU32::new(0),
            places: Arc::new(Semaphore::new(COPIES_UNDER_WAY_MAX)),
            failures_in_a_row: AtomicU32::new(0),
            pauses: Pauses::default(),
        }
    }
}

impl Target {
    pub(crate) fn pending(&self) -> u32 {
        self.pending.load(Ordering::Relaxed)
    }

    /// Until when it gets nothing because it has failed, if that is so.
    pub(crate) fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.pauses.are_on(now).then(|| self.pauses.until())
    }

    /// Counts a copy in; `false`: there are too many already.
    pub(super) fn enter(&self) -> bool {
        let fits = self.pending.fetch_add(1, Ordering::Relaxed) < COPIES_MAX;
        if !fits {
            self.leave();
        }
        fits
    }

    pub(super) fn leave(&self) {
        self.pending.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether a copy may be sent now. After a pause the first one tries for all.
    pub(super) fn may_send(&self, now: Instant) -> bool {
        let may = !self.pauses.are_on(now);
        if may {
            self.pauses.try_again(now);
        }
        may
    }

    /// Copies in a row that it has not answered.
    pub(crate) fn failures_in_a_row(&self) -> u32 {
        self.failures_in_a_row.load(Ordering::Relaxed)
    }

    /// It has answered, whatever the status: what it says is for those to judge who asked for copies.
    /// Returns whether it had been left alone.
    pub(super) fn answered(&self) -> bool {
        self.failures_in_a_row.store(0, Ordering::Relaxed);
        self.pauses.end()
    }

    /// It has not answered. Returns whether it is left alone from now on.
    pub(super) fn failed(&self, now: Instant) -> bool {
        let failures = self.failures_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        failures >= MIRROR_FAILURES && self.pauses.begin(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Instant = Instant(1_000_000_000);

    #[test]
    fn what_does_not_fit_is_not_counted() {
        let target = Target::default();
        assert!((0..COPIES_MAX).all(|_| target.enter()));
        assert!(!target.enter());
        assert_eq!(target.pending(), COPIES_MAX);
        target.leave();
        assert!(target.enter());
    }

    #[test]
    fn a_mirror_that_fails_again_and_again_is_left_alone() {
        let target = Target::default();
        assert!((1..MIRROR_FAILURES).all(|_| !target.failed(NOW)));
        assert!(target.may_send(NOW));
        assert!(target.failed(NOW), "that was one too many");
        assert!(!target.may_send(NOW));
        assert!(target.paused_until(NOW).is_some());
    }

    #[test]
    fn after_a_pause_one_copy_is_sent_until_it_is_answered() {
        let target = Target::default();
        for _ in 0..MIRROR_FAILURES {
            target.failed(NOW);
        }
        let later = NOW.after(Duration::from_secs(1));
        assert!(target.may_send(later));
        assert!(!target.may_send(later), "the first one has not come back");
        target.answered();
        assert!((0..10).all(|_| target.may_send(later)));
    }

    #[test]
    fn now_and_then_a_failure_is_no_reason_to_leave_it_alone() {
        let target = Target::default();
        for _ in 0..100 {
            for _ in 1..MIRROR_FAILURES {
                assert!(!target.failed(NOW));
            }
            target.answered();
        }
        assert!(target.may_send(NOW));
    }
}
