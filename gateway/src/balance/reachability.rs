//! Whether connections to an endpoint can be opened, by those that requests have tried to open.
//!
//! Where none could be, nobody goes for a time that doubles with each failure, as long as there is
//! anywhere else to go; then one request tries again for all (gRPC's connection backoff). Without that,
//! an endpoint that refuses looks idle and quick, and balancing by load would prefer it.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::balance::instant::Instant;
use crate::balance::pauses::Pauses;

/// What attempts to connect to one endpoint have shown.
#[derive(Debug, Default)]
pub(super) struct Reachability {
    pauses: Pauses,
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
        self.pauses.are_on(now)
    }

    /// A connection could not be opened. Returns whether this is news.
    pub(super) fn lose(&self, reason: impl FnOnce() -> Arc<str>, now: Instant) -> bool {
        let is_news = self.pauses.begin(now) && self.lost.load().is_none();
        if is_news {
            let reason = reason();
            self.lost.store(Some(Arc::new(Lost { reason, since: now })));
        }
        is_news
    }

    /// Told of every request that is on its way here.
    pub(super) fn try_again(&self, now: Instant) {
        self.pauses.try_again(now);
    }

    /// It has answered. Returns whether this is news.
    pub(super) fn find(&self) -> bool {
        self.pauses.end() && self.lost.swap(None).is_some()
    }

    /// Why it is thought to be out of reach, and when it is tried again, if it is.
    pub(super) fn lost(&self) -> Option<(Arc<Lost>, Instant)> {
        self.lost
            .load_full()
            .map(|lost| (lost, self.pauses.until()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_failure_and_the_first_success_are_news() {
        let reachability = Reachability::default();
        let mut now = Instant(1);
        let refused = || "connection refused".into();
        assert!(reachability.lose(refused, now));
        for _ in 0..3 {
            let (lost, next_try) = reachability.lost().expect("it is lost");
            assert_eq!(
                (&*lost.reason, lost.since),
                ("connection refused", Instant(1))
            );
            assert!(reachability.is_paused(now));
            now = next_try;
            assert!(!reachability.is_paused(now));
            assert!(!reachability.lose(refused, now));
        }
        assert!(reachability.find());
        assert!(!reachability.find());
        assert!(reachability.lost().is_none());
        assert!(!reachability.is_paused(now));
    }
}
