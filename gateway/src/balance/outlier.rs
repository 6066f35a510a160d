//! Passive health: an endpoint that fails request after request is taken out for a while.
//!
//! Only what happened between us and the endpoint counts: connects, resets, time-outs, garbage. A
//! client that leaves is no failure of the endpoint.

use std::sync::Arc;

use crate::balance::endpoint::{Endpoint, Instant};
use crate::defaults::{
    EJECT_AFTER_FAILURES, EJECTED_PERCENT_MAX, EJECTED_PERCENT_MAX_SMALL_POOL, EJECTION_BASE,
    EJECTION_MAX,
};

/// Counts a failure of `endpoint`, one of `pool`, and ejects it when there were too many in a row.
/// Returns whether it was ejected by this call.
pub(crate) fn record_failure(endpoint: &Endpoint, pool: &[Arc<Endpoint>], now: Instant) -> bool {
    if endpoint.count_failure() < EJECT_AFTER_FAILURES || endpoint.is_ejected(now) {
        return false;
    }
    let ejected = pool.iter().filter(|other| other.is_ejected(now)).count();
    if ejected + 1 > most_ejected(pool.len()) {
        return false;
    }
    endpoint.eject(now, EJECTION_BASE, EJECTION_MAX);
    true
}

/// How many endpoints of a pool may be out at once.
fn most_ejected(pool: usize) -> usize {
    let percent = if pool < 10 {
        EJECTED_PERCENT_MAX_SMALL_POOL
    } else {
        EJECTED_PERCENT_MAX
    };
    pool * percent / 100
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::endpoint::endpoint_for_test;

    const NOW: Instant = Instant(1);

    fn pool(len: u64) -> Vec<Arc<Endpoint>> {
        (1..=len).map(endpoint_for_test).collect()
    }

    #[track_caller]
    fn fail(endpoint: &Endpoint, pool: &[Arc<Endpoint>], times: u32) -> bool {
        (0..times).any(|_| record_failure(endpoint, pool, NOW))
    }

    #[test]
    fn the_fifth_failure_in_a_row_ejects() {
        let pool = pool(2);
        assert!(!fail(&pool[0], &pool, 4));
        assert!(fail(&pool[0], &pool, 1));
        assert!(pool[0].is_ejected(NOW));
    }

    #[test]
    fn a_success_in_between_starts_the_count_anew() {
        let pool = pool(2);
        fail(&pool[0], &pool, 4);
        pool[0].record_success();
        assert!(!fail(&pool[0], &pool, 4));
    }

    #[test]
    fn an_only_endpoint_is_never_ejected() {
        let pool = pool(1);
        assert!(!fail(&pool[0], &pool, 100));
    }

    #[test]
    fn one_of_two_may_be_out_but_not_both() {
        let pool = pool(2);
        assert!(fail(&pool[0], &pool, 5));
        assert!(!fail(&pool[1], &pool, 100));
    }

    #[test]
    fn a_tenth_of_a_large_pool_may_be_out() {
        let pool = pool(20);
        let ejected = pool
            .iter()
            .filter(|endpoint| fail(endpoint, &pool, 5))
            .count();
        assert_eq!(ejected, 2);
    }

    #[test]
    fn each_ejection_lasts_longer_up_to_the_limit() {
        let endpoint = endpoint_for_test(1);
        for (nth, seconds) in [(1, 30), (2, 60), (3, 90)] {
            endpoint.eject(Instant(0), EJECTION_BASE, EJECTION_MAX);
            let second = 1_000_000_000;
            assert!(
                endpoint.is_ejected(Instant(seconds * second - 1)),
                "ejection {nth}"
            );
            assert!(
                !endpoint.is_ejected(Instant(seconds * second)),
                "ejection {nth}"
            );
        }
        for _ in 0..20 {
            endpoint.eject(Instant(0), EJECTION_BASE, EJECTION_MAX);
        }
        assert!(!endpoint.is_ejected(Instant(300 * 1_000_000_000)));
    }
}
