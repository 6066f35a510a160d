//! The better of two random endpoints, by peak EWMA of latency times requests in flight.
//!
//! The average rises at once to a slower answer and sinks slowly after it, so that an endpoint in
//! trouble is left before its queue grows (Finagle, Linkerd). Two random choices avoid the herd that
//! follows a global minimum (Mitzenmacher, "The Power of Two Choices").

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::balance::endpoint::{Endpoint, Instant};
use crate::defaults::{EWMA_DECAY, EWMA_START};

/// A decaying peak of an endpoint's time to response headers.
#[derive(Debug)]
pub(crate) struct PeakEwma {
    /// Bits of an `f64`, in nanoseconds.
    average: AtomicU64,
    /// When `average` was written. The two are not written as one: a reader may see a new average
    /// with an old stamp, which decays it by a few microseconds too much and harms nobody.
    updated: AtomicU64,
}

impl PeakEwma {
    pub(crate) fn new() -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a latency needs no 64 bits of precision"
        )]
        let start = EWMA_START.as_nanos() as f64;
        Self {
            average: AtomicU64::new(start.to_bits()),
            updated: AtomicU64::new(0),
        }
    }

    /// Takes one measured latency.
    pub(crate) fn observe(&self, latency: Duration, now: Instant) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a latency needs no 64 bits of precision"
        )]
        let sample = latency.as_nanos() as f64;
        let old = f64::from_bits(self.average.load(Ordering::Relaxed));
        let new = if sample > old {
            sample
        } else {
            let keep = self.kept_share(now);
            old * keep + sample * (1.0 - keep)
        };
        self.average.store(new.to_bits(), Ordering::Relaxed);
        self.updated.store(now.0, Ordering::Relaxed);
    }

    /// The average in nanoseconds as it has decayed by `now`: an endpoint that nobody asks is slowly
    /// forgiven.
    fn value(&self, now: Instant) -> f64 {
        f64::from_bits(self.average.load(Ordering::Relaxed)) * self.kept_share(now)
    }

    fn kept_share(&self, now: Instant) -> f64 {
        let age = now.since(Instant(self.updated.load(Ordering::Relaxed)));
        (-age.as_secs_f64() / EWMA_DECAY.as_secs_f64()).exp()
    }
}

/// What sending one more request to this endpoint would cost.
fn cost(endpoint: &Endpoint, now: Instant) -> f64 {
    // One nanosecond at least, so that requests in flight still count when latency has decayed.
    endpoint.latency.value(now).max(1.0) * f64::from(endpoint.in_flight() + 1)
}

/// Chooses among `candidates`; `random` is any 64 random bits. `None` only when there are none.
pub(super) fn pick<'e>(
    candidates: &[&'e Arc<Endpoint>],
    random: u64,
    now: Instant,
) -> Option<&'e Arc<Endpoint>> {
    let (first, second) = two_of(candidates, random)?;
    Some(if cost(first, now) <= cost(second, now) {
        first
    } else {
        second
    })
}

/// Two different members, or the same one twice when there is only one.
fn two_of<'e>(
    candidates: &[&'e Arc<Endpoint>],
    random: u64,
) -> Option<(&'e Arc<Endpoint>, &'e Arc<Endpoint>)> {
    let len = candidates.len();
    let one = candidates.get(scale(random >> 32, len))?;
    let step = 1 + scale(random & 0xffff_ffff, len.saturating_sub(1).max(1));
    let other = candidates.get((scale(random >> 32, len) + step) % len)?;
    Some((one, other))
}

/// Maps 32 random bits to `0..len` without division (Lemire).
fn scale(bits: u64, len: usize) -> usize {
    usize::try_from((bits.wrapping_mul(len as u64)) >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::endpoint::endpoint_for_test;

    fn at(seconds: u64) -> Instant {
        Instant(seconds * 1_000_000_000)
    }

    #[test]
    fn a_slower_answer_is_believed_at_once() {
        let latency = PeakEwma::new();
        latency.observe(Duration::from_millis(900), at(1));
        assert!((latency.value(at(1)) - 9e8).abs() < 1.0);
    }

    #[test]
    fn a_faster_answer_is_believed_slowly() {
        let latency = PeakEwma::new();
        latency.observe(Duration::from_millis(900), at(1));
        latency.observe(Duration::from_millis(10), at(2));
        let value = latency.value(at(2));
        assert!(
            value > 7e8,
            "one fast answer in a second must not wipe out the peak: {value}"
        );
    }

    #[test]
    fn the_endpoint_with_more_requests_in_flight_is_avoided() {
        let (busy, idle) = (endpoint_for_test(1), endpoint_for_test(2));
        let _requests: Vec<_> = (0..10).map(|_| busy.begin()).collect();
        for seed in 0..100_u64 {
            let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let chosen = pick(&[&busy, &idle], random, at(1)).expect("there are two");
            assert_eq!(chosen.id, idle.id, "of two, both are always compared");
        }
    }

    #[test]
    fn every_endpoint_of_an_idle_set_gets_its_share() {
        let endpoints: Vec<_> = (0..5).map(endpoint_for_test).collect();
        let candidates: Vec<_> = endpoints.iter().collect();
        let mut random = fastrand::Rng::with_seed(7);
        let mut hits = [0_u32; 5];
        for _ in 0..10_000 {
            let chosen = pick(&candidates, random.u64(..), at(1)).expect("not empty");
            hits[usize::try_from(chosen.id).expect("small")] += 1;
        }
        assert!(hits.iter().all(|&hits| hits > 1_000), "{hits:?}");
    }

    #[test]
    fn nothing_is_picked_from_nothing() {
        assert!(pick(&[], 42, at(0)).is_none());
    }
}
