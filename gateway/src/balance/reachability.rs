//! Whether connections to an endpoint can be opened, by those that requests have tried to open.
//!
//! Where none could be, nobody goes for a time that doubles with each failure, as long as there is
//! anywhere else to go; then one request tries again for all (gRPC's connection backoff). Without that,
//! an endpoint that refuses looks idle and quick, and balancing by load would prefer it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::balance::instant::Instant;
use crate::defaults::{RECONNECT_PAUSE_MAX, RECONNECT_PAUSE_MIN};

/// What attempts to connect to one endpoint have shown.
#[derive(Debug, Default)]
pub(super) struct Reachability {
    /// In a row, those within one pause counted once; 0 for nearly everybody, always.
    failures: AtomicU32,
    next_try: AtomicU64,
    lost: ArcSwapOption<Lost>,
}

/// When and why the first of the failures was.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) reason: Arc<str>,
    pub(super) since: Instant,
}

impl Reachability {
    /// Whether it is too early to try again.
    pub(super) fn is_paused(&self, now: Instant) -> bool {
        self.next_try.load(Ordering::Relaxed) > now.0
    }

    /// A connection could not be opened. Returns whether this is news.
    pub(super) fn lose(&self, reason: impl FnOnce() -> Arc<str>, now: Instant) -> bool {
        // A try at the end of a pause has begun the next one already; others failed along with it.
        if self.is_paused(now) || !self.pause(now) {
            return false;
        }
        let is_news = self.lost.load().is_none();
        if is_news {
            let reason = reason();
            self.lost.store(Some(Arc::new(Lost { reason, since: now })));
        }
        is_news
    }

    /// Told of every request that is on its way here: the first one after a pause keeps the others away
    /// until it knows.
    pub(super) fn try_again(&self, now: Instant) {
        if self.failures.load(Ordering::Relaxed) != 0 && !self.is_paused(now) {
            self.pause(now);
        }
    }

    /// It has answered. Returns whether this is news.
    pub(super) fn find(&self) -> bool {
        // The load keeps the common case from writing to a line that other cores read.
        if self.failures.load(Ordering::Relaxed) == 0 {
            return false;
        }
        self.failures.store(0, Ordering::Relaxed);
        self.next_try.store(0, Ordering::Relaxed);
        self.lost.swap(None).is_some()
    }

    /// Why it is thought to be out of reach, and when it is tried again, if it is.
    pub(super) fn lost(&self) -> Option<(Arc<Lost>, Instant)> {
        let next_try = Instant(self.next_try.load(Ordering::Relaxed));
        self.lost.load_full().map(|lost| (lost, next_try))
    }

    /// Begins a pause longer than the last. Returns whether it was this caller who did.
    fn pause(&self, now: Instant) -> bool {
        let ended = self.next_try.load(Ordering::Relaxed);
        let failures = self.failures.load(Ordering::Relaxed);
        let next_try = now.after(pause_after(failures)).0;
        let order = Ordering::Relaxed;
        let is_mine = self
            .next_try
            .compare_exchange(ended, next_try, order, order)
            .is_ok();
        if is_mine {
            self.failures
                .store(failures.saturating_add(1), Ordering::Relaxed);
        }
        is_mine
    }
}

/// How long nobody goes to an endpoint that had failed so often before.
fn pause_after(failures: u32) -> Duration {
    let doubled =
        RECONNECT_PAUSE_MIN.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX));
    doubled.min(RECONNECT_PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_ms(ms: u64) -> Instant {
        Instant(1_000_000_000 + ms * 1_000_000)
    }

    fn lose(reachability: &Reachability, now: Instant) -> bool {
        reachability.lose(|| "connection refused".into(), now)
    }

    #[test]
    fn each_failure_doubles_the_pause_up_to_the_limit() {
        let reachability = Reachability::default();
        let mut now = at_ms(0);
        let mut pauses = Vec::new();
        for _ in 0..40 {
            lose(&reachability, now);
            let (_, next_try) = reachability.lost().expect("it is lost");
            assert!(reachability.is_paused(now));
            pauses.push(next_try.since(now).as_secs());
            now = next_try;
            assert!(!reachability.is_paused(now));
        }
        assert_eq!(pauses[..5], [1, 2, 4, 8, 10]);
        assert!(pauses[5..].iter().all(|pause| *pause == 10));
    }

    #[test]
    fn failures_at_one_time_count_once() {
        let reachability = Reachability::default();
        assert!(lose(&reachability, at_ms(0)), "the first one is news");
        for ms in 1..900 {
            assert!(!lose(&reachability, at_ms(ms)));
        }
        assert!(!reachability.is_paused(at_ms(1_000)));
    }

    #[test]
    fn after_a_pause_one_request_tries_for_all() {
        let reachability = Reachability::default();
        lose(&reachability, at_ms(0));
        reachability.try_again(at_ms(1_000));
        assert!(reachability.is_paused(at_ms(1_001)), "the others wait");
        assert!(!lose(&reachability, at_ms(1_500)), "no news");
        assert!(
            !reachability.is_paused(at_ms(3_000)),
            "its failure counts once"
        );
    }

    #[test]
    fn an_answer_makes_all_good() {
        let reachability = Reachability::default();
        lose(&reachability, at_ms(0));
        assert!(reachability.find(), "that is news");
        assert!(!reachability.find());
        assert!(!reachability.is_paused(at_ms(0)));
        assert!(reachability.lost().is_none());
        lose(&reachability, at_ms(10));
        assert!(
            !reachability.is_paused(at_ms(1_010)),
            "the pauses begin anew"
        );
    }

    #[test]
    fn an_endpoint_that_never_failed_is_never_kept_from_anybody() {
        let reachability = Reachability::default();
        for ms in 0..10 {
            reachability.try_again(at_ms(ms));
            assert!(!reachability.is_paused(at_ms(ms)));
        }
    }
}
