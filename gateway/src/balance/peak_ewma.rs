//! The better of two random endpoints, by peak EWMA of latency times requests in flight.
//!
//! The average rises at once to a slower answer and sinks slowly after it, so that an endpoint in
//! trouble is left before its queue grows (Finagle, Linkerd). An endpoint that refuses for overload, or
//! breaks off, does so quickly: that counts as a slow answer, or it would attract what it cannot bear.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;

use crate::balance::draw;
use crate::balance::instant::Instant;
use crate::balance::policy::{Candidate, Choice, Policy};
use crate::defaults::{EWMA_DECAY, EWMA_PENALTY, EWMA_START};

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
    pub(super) fn new(now: Instant) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a latency needs no 64 bits of precision"
        )]
        let start = EWMA_START.as_nanos() as f64;
        Self {
            average: AtomicU64::new(start.to_bits()),
            updated: AtomicU64::new(now.0),
        }
    }

    /// Takes the latency of an answer with this status.
    pub(crate) fn observe(&self, latency: Duration, status: StatusCode, now: Instant) {
        let overloaded = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
        ];
        self.take(
            if overloaded.contains(&status) {
                latency.saturating_add(EWMA_PENALTY)
            } else {
                latency
            },
            now,
        );
    }

    /// Takes that no answer came: a quick failure is no speed.
    pub(crate) fn observe_failure(&self, now: Instant) {
        self.take(EWMA_PENALTY, now);
    }

    fn take(&self, latency: Duration, now: Instant) {
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

/// What sending one more request to this endpoint would cost, for its weight.
fn cost(candidate: &Candidate<'_>, now: Instant) -> f64 {
    let endpoint = &candidate.member.endpoint;
    // One nanosecond at least, so that requests in flight still count when latency has decayed.
    let latency = endpoint.latency().value(now).max(1.0);
    latency * f64::from(endpoint.in_flight() + 1) / f64::from(candidate.weight.max(1))
}

/// Draws two by weight and takes the one whose queue is shorter in time.
#[derive(Debug)]
pub(super) struct LowestCost;

impl Policy for LowestCost {
    fn pick(&self, choice: &Choice<'_>) -> usize {
        let (first, second) = draw::two(choice.candidates, choice.random);
        match (choice.candidates.get(first), choice.candidates.get(second)) {
            (Some(one), Some(other)) if cost(other, choice.now) < cost(one, choice.now) => second,
            _ => first,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::testing::{candidates, choice_at, members};

    const OK: StatusCode = StatusCode::OK;

    fn at(seconds: u64) -> Instant {
        Instant(seconds * 1_000_000_000)
    }

    /// How often each of idle or busy endpoints is picked in 10,000 rounds.
    fn picked(members: &[crate::balance::Member], now: Instant) -> Vec<u32> {
        let candidates = candidates(members);
        let mut random = fastrand::Rng::with_seed(7);
        let mut picked = vec![0; members.len()];
        for _ in 0..10_000 {
            picked[LowestCost.pick(&choice_at(&candidates, random.u64(..), now))] += 1;
        }
        picked
    }

    #[test]
    fn a_slower_answer_is_believed_at_once() {
        let latency = PeakEwma::new(at(0));
        latency.observe(Duration::from_millis(900), OK, at(1));
        assert!((latency.value(at(1)) - 9e8).abs() < 1.0);
    }

    #[test]
    fn a_faster_answer_is_believed_slowly() {
        let latency = PeakEwma::new(at(0));
        latency.observe(Duration::from_millis(900), OK, at(1));
        latency.observe(Duration::from_millis(10), OK, at(2));
        let value = latency.value(at(2));
        assert!(
            value > 7e8,
            "one fast answer in a second must not wipe out the peak: {value}"
        );
    }

    #[test]
    fn a_quick_refusal_counts_as_a_slow_answer() {
        for status in [429, 503] {
            let status = StatusCode::from_u16(status).expect("a status");
            let latency = PeakEwma::new(at(0));
            latency.observe(Duration::from_millis(1), status, at(1));
            assert!(latency.value(at(1)) >= 1e9, "{status}");
        }
        let latency = PeakEwma::new(at(0));
        let other = StatusCode::INTERNAL_SERVER_ERROR;
        latency.observe(Duration::from_millis(1), other, at(1));
        assert!(latency.value(at(1)) < 1e8);
    }

    #[test]
    fn a_quick_failure_counts_as_a_slow_answer() {
        let latency = PeakEwma::new(at(0));
        latency.observe_failure(at(1));
        assert!(latency.value(at(1)) >= 1e9);
    }

    #[test]
    fn an_endpoint_that_is_found_late_is_no_better_than_one_found_early() {
        let latency = PeakEwma::new(at(10_000));
        assert!((latency.value(at(10_000)) - 3e7).abs() < 1.0);
    }

    #[test]
    fn the_endpoint_with_more_requests_in_flight_is_avoided() {
        let members = members(&[1, 1]);
        let _requests: Vec<_> = (0..10).map(|_| members[0].endpoint.begin()).collect();
        assert_eq!(
            picked(&members, at(1)),
            [0, 10_000],
            "of two, both are always compared"
        );
    }

    #[test]
    fn weight_divides_the_cost() {
        let members = members(&[1, 4]);
        let _requests: Vec<_> = (0..2).map(|_| members[1].endpoint.begin()).collect();
        assert_eq!(picked(&members, at(1)), [0, 10_000], "3/4 is less than 1");
        let _more: Vec<_> = (0..2).map(|_| members[1].endpoint.begin()).collect();
        assert_eq!(picked(&members, at(1)), [10_000, 0], "5/4 is more");
    }

    #[test]
    fn every_endpoint_of_an_idle_set_gets_its_share() {
        let picked = picked(&members(&[1; 5]), at(1));
        assert!(picked.iter().all(|hits| *hits > 1_000), "{picked:?}");
    }
}
