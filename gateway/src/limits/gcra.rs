//! The generic cell rate algorithm on one atomic: the theoretical arrival time (TAT).
//!
//! A request conforms when the TAT after it lies no more than `burst` intervals ahead of now. One
//! compare-and-swap decides, so that parallel workers never admit more than `burst + rate × time`.
//! Intervals are whole nanoseconds, rounded up: never more than the rate, less by under one part in
//! ten million at ten thousand a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use route_table::table::Rate;

/// What a bucket says of one request. It was counted if and only if it was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) allowed: bool,
    /// Requests that would be allowed right after this one.
    pub(crate) remaining: u32,
    /// Until the whole burst is there again.
    pub(crate) reset_after: Duration,
    /// Until one more request will be allowed; zero when one is allowed now.
    pub(crate) retry_after: Duration,
}

/// A rate in the algorithm's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gcra {
    /// Nanoseconds that one request costs, at least 1.
    interval: u64,
    /// Nanoseconds by which the TAT may run ahead of now: `burst` intervals.
    tolerance: u64,
}

impl Gcra {
    pub(crate) fn new(rate: Rate) -> Self {
        let period = u64::try_from(rate.period.as_nanos()).unwrap_or(u64::MAX);
        let interval = period.div_ceil(u64::from(rate.count.max(1))).max(1);
        let tolerance = interval.saturating_mul(u64::from(rate.burst.max(1)));
        Self {
            interval,
            tolerance,
        }
    }

    /// Counts one request at `now`, in nanoseconds from any fixed origin, if the rate allows it.
    /// A fresh bucket is `0`.
    pub(crate) fn check(self, tat: &AtomicU64, now: u64) -> Verdict {
        let mut seen = tat.load(Ordering::Relaxed);
        loop {
            // An old TAT lies in the past: the bucket is full again.
            let start = seen.max(now);
            let after = start.saturating_add(self.interval);
            if after - now > self.tolerance {
                return self.refused(start, now);
            }
            match tat.compare_exchange_weak(seen, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return self.allowed(after, now),
                Err(current) => seen = current,
            }
        }
    }

    fn allowed(self, tat: u64, now: u64) -> Verdict {
        Verdict {
            allowed: true,
            remaining: self.remaining(tat, now),
            reset_after: Duration::from_nanos(tat - now),
            retry_after: self.wait_for_one(tat, now),
        }
    }

    fn refused(self, tat: u64, now: u64) -> Verdict {
        Verdict {
            allowed: false,
            remaining: 0,
            reset_after: Duration::from_nanos(tat - now),
            retry_after: self.wait_for_one(tat, now),
        }
    }

    fn remaining(self, tat: u64, now: u64) -> u32 {
        let room = self.tolerance.saturating_sub(tat - now);
        u32::try_from(room / self.interval).unwrap_or(u32::MAX)
    }

    fn wait_for_one(self, tat: u64, now: u64) -> Duration {
        let ahead = (tat - now).saturating_add(self.interval);
        Duration::from_nanos(ahead.saturating_sub(self.tolerance))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::thread;
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn rate(count: u32, period: Duration, burst: u32) -> Rate {
        Rate {
            count,
            period,
            burst,
        }
    }

    fn per_second(count: u32, burst: u32) -> Gcra {
        Gcra::new(rate(count, Duration::from_secs(1), burst))
    }

    #[test]
    fn a_burst_is_admitted_at_once_and_then_one_an_interval() {
        let (gcra, tat) = (per_second(10, 3), AtomicU64::new(0));
        let now = 5 * SECOND;
        let remaining: Vec<u32> = (0..3).map(|_| gcra.check(&tat, now).remaining).collect();
        assert_eq!(remaining, [2, 1, 0]);
        let refused = gcra.check(&tat, now);
        assert!(!refused.allowed);
        assert_eq!(refused.retry_after, Duration::from_millis(100));
        assert_eq!(refused.reset_after, Duration::from_millis(300));
        assert!(!gcra.check(&tat, now + SECOND / 10 - 1).allowed);
        assert!(gcra.check(&tat, now + SECOND / 10).allowed);
        assert!(!gcra.check(&tat, now + SECOND / 10).allowed);
    }

    #[test]
    fn a_refused_request_costs_nothing() {
        let (gcra, tat) = (per_second(1, 1), AtomicU64::new(0));
        assert!(gcra.check(&tat, 0).allowed);
        for step in 1..10 {
            assert!(!gcra.check(&tat, step * SECOND / 10).allowed);
        }
        assert!(gcra.check(&tat, SECOND).allowed);
    }

    #[test]
    fn a_pause_fills_the_burst_and_no_more() {
        let (gcra, tat) = (per_second(100, 5), AtomicU64::new(0));
        let admitted = |now| (0..20).filter(|_| gcra.check(&tat, now).allowed).count();
        assert_eq!(admitted(SECOND), 5);
        assert_eq!(admitted(3600 * SECOND), 5);
    }

    #[test]
    fn extreme_rates_neither_overflow_nor_divide_by_zero() {
        for extreme in [
            rate(u32::MAX, Duration::from_nanos(1), u32::MAX),
            rate(1, Duration::MAX, u32::MAX),
            rate(0, Duration::ZERO, 0),
        ] {
            let (gcra, tat) = (Gcra::new(extreme), AtomicU64::new(0));
            assert!(gcra.check(&tat, 1).allowed, "{extreme:?}");
            let _ = gcra.check(&tat, u64::MAX);
        }
    }

    #[test]
    fn parallel_threads_never_admit_more_than_burst_and_rate_allow() {
        let (gcra, tat, admitted) = (per_second(1000, 50), AtomicU64::new(0), AtomicU32::new(0));
        let started = Instant::now();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let now = u64::try_from(started.elapsed().as_nanos()).unwrap();
                        if gcra.check(&tat, now).allowed {
                            admitted.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let elapsed = u64::try_from(started.elapsed().as_nanos()).unwrap();
        let allowed = 50 + u32::try_from(elapsed / 1_000_000).unwrap() + 1;
        let admitted = admitted.into_inner();
        assert!(
            (50..=allowed).contains(&admitted),
            "{admitted} of at most {allowed}"
        );
    }

    /// A token bucket in exact integer arithmetic: one request costs `interval`, time refills it.
    struct Oracle {
        level: u64,
        at: u64,
    }

    impl Oracle {
        fn check(&mut self, gcra: Gcra, now: u64) -> (bool, u64) {
            self.level = self.level.saturating_add(now - self.at).min(gcra.tolerance);
            self.at = now;
            if self.level < gcra.interval {
                return (false, gcra.interval - self.level);
            }
            self.level -= gcra.interval;
            (true, self.level / gcra.interval)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn gcra_is_a_token_bucket(
            count in 1..2000_u32,
            burst in 1..200_u32,
            period_ms in 1..100_000_u64,
            steps in prop::collection::vec(0..2_000_000_000_u64, 1..300),
        ) {
            let gcra = Gcra::new(rate(count, Duration::from_millis(period_ms), burst));
            let tat = AtomicU64::new(0);
            let mut oracle = Oracle { level: gcra.tolerance, at: 0 };
            let mut now = 0;
            for step in steps {
                // Mostly small steps, so that the limit is met.
                now += if step % 3 == 0 { step / 50 } else { step % 1000 };
                let verdict = gcra.check(&tat, now);
                let (allowed, rest) = oracle.check(gcra, now);
                prop_assert_eq!(verdict.allowed, allowed);
                if allowed {
                    prop_assert_eq!(u64::from(verdict.remaining), rest);
                } else {
                    prop_assert_eq!(verdict.retry_after, Duration::from_nanos(rest));
                }
            }
        }
    }
}
