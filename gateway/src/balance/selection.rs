//! Narrows an upstream's endpoints to those that may be used now, then asks the policy.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use route_table::table::Balance;
use smallvec::SmallVec;

use crate::balance::endpoint::{Endpoint, Instant};
use crate::balance::{peak_ewma, round_robin};
use crate::defaults::PANIC_PERCENT;

/// What a selection needs besides the endpoints.
#[derive(Debug)]
pub(crate) struct Selection<'s> {
    pub(crate) policy: &'s Balance,
    /// Ids of endpoints that this request has tried already; avoided while another is left.
    pub(crate) tried: &'s [u64],
    pub(crate) turn: &'s AtomicUsize,
    /// 64 random bits.
    pub(crate) random: u64,
    pub(crate) now: Instant,
}

/// Candidates live on the stack for pools of up to 16.
type Candidates<'e> = SmallVec<[&'e Arc<Endpoint>; 16]>;

/// Chooses an endpoint; `None` only when there are no endpoints at all.
///
/// Preference, each rung used when the one before leaves nothing: usable and sure; usable; any (panic:
/// fewer than half are usable, so the checks themselves are doubted); tried already.
pub(crate) fn select(
    endpoints: &[Arc<Endpoint>],
    selection: &Selection<'_>,
) -> Option<Arc<Endpoint>> {
    let untried = |endpoint: &&Arc<Endpoint>| !selection.tried.contains(&endpoint.id);
    let usable =
        |endpoint: &&Arc<Endpoint>| endpoint.is_healthy() && !endpoint.is_ejected(selection.now);

    let all_usable = endpoints.iter().filter(usable).count();
    let panic = all_usable * 100 < endpoints.len() * PANIC_PERCENT;

    let mut candidates: Candidates<'_> = endpoints
        .iter()
        .filter(untried)
        .filter(|endpoint| panic || (usable(endpoint) && !endpoint.is_suspect()))
        .collect();
    if candidates.is_empty() {
        candidates.extend(endpoints.iter().filter(untried).filter(usable));
    }
    if candidates.is_empty() {
        candidates.extend(endpoints.iter().filter(untried));
    }
    if candidates.is_empty() {
        candidates.extend(endpoints);
    }
    let chosen = match selection.policy {
        Balance::PeakEwma | Balance::LeastRequest | Balance::Random | Balance::Maglev { .. } => {
            peak_ewma::pick(&candidates, selection.random, selection.now)
        }
        Balance::RoundRobin => round_robin::pick(&candidates, selection.turn),
    };
    chosen.cloned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::balance::endpoint::endpoint_for_test;

    fn chosen(endpoints: &[Arc<Endpoint>], tried: &[u64]) -> Option<u64> {
        let selection = Selection {
            policy: &Balance::PeakEwma,
            tried,
            turn: &AtomicUsize::new(0),
            random: 0x1234_5678_9abc_def0,
            now: Instant(1),
        };
        select(endpoints, &selection).map(|endpoint| endpoint.id)
    }

    fn three() -> Vec<Arc<Endpoint>> {
        (1..=3).map(endpoint_for_test).collect()
    }

    #[test]
    fn an_unhealthy_an_ejected_and_a_suspect_endpoint_are_passed_over() {
        let endpoints: Vec<_> = (1..=6).map(endpoint_for_test).collect();
        endpoints[0].set_healthy(false);
        endpoints[1].eject(
            Instant(0),
            Duration::from_secs(30),
            Duration::from_secs(300),
        );
        endpoints[2].set_suspect(true);
        for tried in [&[4, 5][..], &[4, 6], &[5, 6]] {
            let id = chosen(&endpoints, tried).expect("one is left");
            assert!((4..=6).contains(&id) && !tried.contains(&id));
        }
    }

    #[test]
    fn a_suspect_endpoint_serves_when_nothing_better_is_left() {
        let endpoints = three();
        endpoints[0].set_suspect(true);
        assert_eq!(chosen(&endpoints, &[2, 3]), Some(1));
    }

    #[test]
    fn below_half_of_usable_endpoints_all_are_used() {
        let endpoints = three();
        endpoints[0].set_healthy(false);
        endpoints[1].set_healthy(false);
        assert_eq!(chosen(&endpoints, &[2, 3]), Some(1));
    }

    #[test]
    fn a_tried_endpoint_is_tried_again_when_it_is_the_only_one() {
        assert_eq!(chosen(&[endpoint_for_test(1)], &[1]), Some(1));
    }

    #[test]
    fn nothing_is_selected_from_an_empty_set() {
        assert_eq!(chosen(&[], &[]), None);
    }
}
