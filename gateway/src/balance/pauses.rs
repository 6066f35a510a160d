//! Times in which something that keeps failing is left alone: each twice as long as the last.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::balance::instant::Instant;
use crate::defaults::{RECONNECT_PAUSE_MAX, RECONNECT_PAUSE_MIN};

/// The pause that is on, if any, and how many there have been in a row. Zero for nearly everybody, always.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    in_a_row: AtomicU32,
    until: AtomicU64,
}

impl Pauses {
    /// Whether a pause is on.
    pub(crate) fn are_on(&self, now: Instant) -> bool {
        self.until.load(Ordering::Relaxed) > now.0
    }

    /// When the last one ends or has ended.
    pub(crate) fn until(&self) -> Instant {
        Instant(self.until.load(Ordering::Relaxed))
    }

    /// Begins a pause that is longer than the last, unless one is on: whoever fails in it had begun before.
    /// Returns whether it was this caller who did.
    pub(crate) fn begin(&self, now: Instant) -> bool {
        let ended = self.until.load(Ordering::Relaxed);
        if ended > now.0 {
            return false;
        }
        let before = self.in_a_row.load(Ordering::Relaxed);
        let until = now.after(length_after(before)).0;
        let order = Ordering::Relaxed;
        let is_mine = self
            .until
            .compare_exchange(ended, until, order, order)
            .is_ok();
        if is_mine {
            self.in_a_row
                .store(before.saturating_add(1), Ordering::Relaxed);
        }
        is_mine
    }

    /// Told of everybody who goes: the first one after a pause begins the next, which keeps the others
    /// away until that one knows.
    pub(crate) fn try_again(&self, now: Instant) {
        if self.in_a_row.load(Ordering::Relaxed) != 0 {
            self.begin(now);
        }
    }

    /// It went well: there are no pauses any more. Returns whether there were.
    pub(crate) fn end(&self) -> bool {
        // The load keeps the common case from writing to a line that other cores read.
        if self.in_a_row.load(Ordering::Relaxed) == 0 {
            return false;
        }
        self.in_a_row.store(0, Ordering::Relaxed);
        self.until.store(0, Ordering::Relaxed);
        true
    }
}

/// The length of a pause that so many have come before.
fn length_after(pauses: u32) -> Duration {
    let doubled = RECONNECT_PAUSE_MIN.saturating_mul(1_u32.checked_shl(pauses).unwrap_or(u32::MAX));
    doubled.min(RECONNECT_PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_ms(ms: u64) -> Instant {
        Instant(1_000_000_000 + ms * 1_000_000)
    }

    #[test]
    fn each_pause_is_twice_as_long_up_to_the_limit() {
        let pauses = Pauses::default();
        let mut now = at_ms(0);
        let mut seconds = Vec::new();
        for _ in 0..40 {
            assert!(pauses.begin(now));
            assert!(pauses.are_on(now));
            seconds.push(pauses.until().since(now).as_secs());
            now = pauses.until();
            assert!(!pauses.are_on(now));
        }
        assert_eq!(seconds[..5], [1, 2, 4, 8, 10]);
        assert!(seconds[5..].iter().all(|seconds| *seconds == 10));
    }

    #[test]
    fn failures_at_one_time_count_once() {
        let pauses = Pauses::default();
        assert!(pauses.begin(at_ms(0)));
        for ms in 1..900 {
            assert!(!pauses.begin(at_ms(ms)));
        }
        assert!(!pauses.are_on(at_ms(1_000)));
    }

    #[test]
    fn after_a_pause_one_tries_for_all() {
        let pauses = Pauses::default();
        pauses.begin(at_ms(0));
        pauses.try_again(at_ms(1_000));
        assert!(pauses.are_on(at_ms(1_001)), "the others wait");
        assert!(!pauses.begin(at_ms(1_500)));
        assert!(!pauses.are_on(at_ms(3_000)), "its failure counts once");
    }

    #[test]
    fn they_begin_anew_after_a_success() {
        let pauses = Pauses::default();
        pauses.begin(at_ms(0));
        assert!(pauses.end());
        assert!(!pauses.end());
        assert!(!pauses.are_on(at_ms(0)));
        pauses.begin(at_ms(10));
        assert!(!pauses.are_on(at_ms(1_010)));
    }

    #[test]
    fn nobody_is_kept_from_what_never_failed() {
        let pauses = Pauses::default();
        for ms in 0..10 {
            pauses.try_again(at_ms(ms));
            assert!(!pauses.are_on(at_ms(ms)));
        }
    }
}
