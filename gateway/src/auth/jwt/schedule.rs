//! When keys are fetched again, and how long old ones serve: pure, with time and chance as arguments.

use std::time::Duration;

use tokio::time::Instant;

/// How long keys are fresh; they are fetched again in the background.
pub(super) const KEYS_TTL: Duration = Duration::from_secs(600);

/// First pause after a failed fetch; it doubles with each further one.
const BACKOFF_START: Duration = Duration::from_secs(1);

/// Longest pause between failed fetches.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// The state of one provider's refreshing.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    stale_keys: Duration,
    last_success: Option<Instant>,
    failures: u32,
}

impl Schedule {
    /// `last_success`: when keys that are there already were fetched.
    pub(super) fn new(stale_keys: Duration, last_success: Option<Instant>) -> Self {
        Self {
            stale_keys,
            last_success,
            failures: 0,
        }
    }

    /// Notes a success and returns the pause before the next fetch. `chance` in 0..1 spreads gateways
    /// that started together over the last tenth of the time.
    pub(super) fn succeeded(&mut self, now: Instant, chance: f64) -> Duration {
        self.last_success = Some(now);
        self.failures = 0;
        KEYS_TTL.mul_f64(1.0 - chance / 10.0)
    }

    /// Notes a failure and returns the pause before the next fetch: exponential with jitter, and not
    /// past the moment when the old keys stop serving.
    pub(super) fn failed(&mut self, now: Instant, chance: f64) -> Duration {
        let doubled = BACKOFF_START.saturating_mul(1 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        let pause = doubled.min(BACKOFF_MAX).mul_f64(1.0 - chance / 2.0);
        match self.keys_serve_until() {
            Some(end) if end > now => pause.min(end - now),
            _ => pause,
        }
    }

    /// Whether the last good keys may serve at `now`.
    pub(super) fn keys_serve(&self, now: Instant) -> bool {
        self.keys_serve_until().is_some_and(|end| now < end)
    }

    /// Keys serve while they are fresh and, when the issuer is unreachable, `stale_keys` longer.
    fn keys_serve_until(&self) -> Option<Instant> {
        let fetched = self.last_success?;
        let age_max = KEYS_TTL.saturating_add(self.stale_keys);
        // An age beyond what the clock can count is never reached.
        Some(
            fetched
                .checked_add(age_max)
                .unwrap_or(fetched + Duration::from_secs(1 << 32)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn keys_never_fetched_do_not_serve() {
        assert!(!Schedule::new(HOUR, None).keys_serve(Instant::now()));
    }

    #[test]
    fn good_keys_outlive_the_issuer_by_the_stale_time() {
        let start = Instant::now();
        let mut schedule = Schedule::new(HOUR, None);
        schedule.succeeded(start, 0.0);
        let mut now = start + KEYS_TTL;
        while now < start + KEYS_TTL + HOUR {
            assert!(schedule.keys_serve(now));
            now += schedule.failed(now, 0.5);
        }
        assert_eq!(
            now,
            start + KEYS_TTL + HOUR,
            "a fetch is tried just when the keys end"
        );
        assert!(!schedule.keys_serve(now));
    }

    #[test]
    fn failures_are_retried_ever_more_slowly_up_to_a_minute() {
        let now = Instant::now();
        let mut schedule = Schedule::new(HOUR, None);
        let pauses: Vec<u64> = (0..9)
            .map(|_| schedule.failed(now, 0.0).as_secs())
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(schedule.failed(now, 1.0).as_secs(), 30);
        schedule.succeeded(now, 0.0);
        assert_eq!(schedule.failed(now, 0.0).as_secs(), 1);
    }

    #[test]
    fn an_endless_stale_time_is_no_overflow() {
        let mut schedule = Schedule::new(Duration::MAX, None);
        let now = Instant::now();
        schedule.succeeded(now, 0.9);
        assert!(schedule.keys_serve(now + HOUR * 24 * 365));
    }
}
