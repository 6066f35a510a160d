//! Finds the endpoint that fails much more often than its like.
//!
//! Envoy's success-rate detection: of all endpoints with enough requests, those whose share of good
//! answers lies more than 1.9 standard deviations below the mean.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use route_table::table::{Outlier, SuccessRate};

use crate::balance::endpoint::Endpoint;
use crate::balance::endpoint_set::EndpointSet;
use crate::balance::instant::Instant;
use crate::balance::outlier::{Observed, eject};
use crate::balance::standing::EjectionReason;
use crate::defaults::{SUCCESS_RATE_DEVIATIONS, SUCCESS_RATE_GAP_MIN};

/// Attempts at an endpoint since the last comparison.
#[derive(Debug, Default)]
pub(super) struct Tally {
    all: AtomicU32,
    failed: AtomicU32,
}

impl Tally {
    pub(super) fn count(&self, observed: Observed) {
        self.all.fetch_add(1, Ordering::Relaxed);
        if observed > Observed::Served {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The share of good answers, where there were enough attempts to speak of one; counting starts
    /// anew.
    fn take(&self, requests_min: u32) -> Option<f64> {
        let all = self.all.swap(0, Ordering::Relaxed);
        // Counted by others meanwhile: never more than all.
        let failed = self.failed.swap(0, Ordering::Relaxed).min(all);
        (all >= requests_min.max(1)).then(|| f64::from(all - failed) / f64::from(all))
    }
}

/// An endpoint that was ejected by a comparison.
#[derive(Debug)]
pub(crate) struct FarBelow {
    pub(crate) endpoint: Arc<Endpoint>,
    /// Its share of good answers, from 0 to 1.
    pub(crate) rate: f64,
    /// The share below which it had to go.
    pub(crate) threshold: f64,
}

/// Compares the endpoints of a set by what was counted since the last call, and ejects those that are
/// far below the others, the worst first.
pub(crate) fn compare(
    set: &EndpointSet,
    rules: &Outlier,
    comparison: SuccessRate,
    now: Instant,
) -> Vec<FarBelow> {
    let rates: Vec<_> = set
        .iter()
        .filter_map(|endpoint| {
            let rate = endpoint.tally().take(comparison.requests_min)?;
            (!endpoint.standing.is_ejected(now)).then_some((endpoint, rate))
        })
        .collect();
    let enough = usize::try_from(comparison.endpoints_min).unwrap_or(usize::MAX);
    if rates.len() < enough {
        return Vec::new();
    }
    let threshold = threshold(rates.iter().map(|(_, rate)| *rate));
    let mut below: Vec<_> = rates
        .into_iter()
        .filter(|(_, rate)| *rate < threshold)
        .collect();
    below.sort_by(|(_, one), (_, other)| one.total_cmp(other));
    below
        .into_iter()
        .filter(|(endpoint, _)| eject(endpoint, set, rules, EjectionReason::SuccessRate, now))
        .map(|(endpoint, rate)| FarBelow {
            endpoint: Arc::clone(endpoint),
            rate,
            threshold,
        })
        .collect()
}

/// Mean less 1.9 standard deviations, but always some way below the mean: among endpoints that are all
/// but perfect, deviations are tiny.
fn threshold(rates: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let count = u32::try_from(rates.len()).unwrap_or(u32::MAX).max(1);
    let mean = rates.clone().sum::<f64>() / f64::from(count);
    let variance = rates.map(|rate| (rate - mean).powi(2)).sum::<f64>() / f64::from(count);
    mean - (SUCCESS_RATE_DEVIATIONS * variance.sqrt()).max(SUCCESS_RATE_GAP_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::testing::{outlier_rules, set_of};

    const NOW: Instant = Instant(1);

    const COMPARISON: SuccessRate = SuccessRate {
        interval: std::time::Duration::from_secs(10),
        endpoints_min: 5,
        requests_min: 100,
    };

    /// Counts `failed` of `all` attempts at each endpoint, compares, and gives the ids that went.
    fn compared(set: &EndpointSet, counts: &[(u32, u32)]) -> Vec<u64> {
        for (endpoint, (failed, all)) in set.iter().zip(counts) {
            for n in 0..*all {
                let observed = if n < *failed {
                    Observed::ServerError
                } else {
                    Observed::Served
                };
                endpoint.tally().count(observed);
            }
        }
        compare(set, &outlier_rules(), COMPARISON, NOW)
            .into_iter()
            .map(|far| far.endpoint.id)
            .collect()
    }

    #[test]
    fn the_one_that_fails_much_more_often_is_ejected() {
        let set = set_of(5);
        let counts = [(1, 100), (30, 100), (0, 100), (2, 100), (1, 100)];
        assert_eq!(compared(&set, &counts), [2]);
        let ejected = set.iter().nth(1).expect("an endpoint");
        assert_eq!(
            ejected.standing.state(NOW).0.to_string(),
            "success_rate",
            "the admin page says why"
        );
    }

    #[test]
    fn endpoints_that_fail_alike_stay() {
        assert_eq!(compared(&set_of(5), &[(50, 100); 5]), [0; 0]);
        assert_eq!(compared(&set_of(6), &[(100, 100); 6]), [0; 0]);
    }

    #[test]
    fn a_small_difference_is_no_reason() {
        let counts = [(0, 1000), (0, 1000), (0, 1000), (0, 1000), (20, 1000)];
        assert_eq!(compared(&set_of(5), &counts), [0; 0]);
    }

    #[test]
    fn too_few_requests_or_endpoints_are_no_ground_to_compare() {
        let failing = (100, 100);
        let counts = [failing, (0, 100), (0, 100), (0, 100)];
        assert_eq!(compared(&set_of(4), &counts), [0; 0]);
        let counts = [failing, (0, 99), (0, 100), (0, 100), (0, 100)];
        assert_eq!(compared(&set_of(5), &counts), [0; 0]);
    }

    #[test]
    fn each_comparison_starts_from_nothing() {
        let set = set_of(5);
        assert_eq!(compared(&set, &[(60, 60); 5]), [0; 0]);
        let counts = [(60, 60), (0, 60), (0, 60), (0, 60), (0, 60)];
        assert_eq!(compared(&set, &counts), [0; 0], "60 and 60 are not 120");
    }

    #[test]
    fn the_worst_goes_first_when_not_all_may() {
        let set = set_of(30);
        let mut counts = [(0, 100); 30];
        counts[3] = (80, 100);
        counts[7] = (90, 100);
        counts[9] = (70, 100);
        counts[11] = (85, 100);
        // A tenth of thirty.
        assert_eq!(compared(&set, &counts), [8, 12, 4]);
    }
}
