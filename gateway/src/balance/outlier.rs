//! Passive health: an endpoint that fails request after request is taken out for a while.
//!
//! Only what comes from the endpoint or the way to it counts. A client that leaves is no failure of
//! anybody's.
//!
//! Neighbour: [`crate::balance::success_rate`] compares endpoints with each other, which finds the one
//! that fails often but not always.

use std::sync::atomic::{AtomicU32, Ordering};

use http::StatusCode;
use route_table::table::Outlier;

use crate::balance::endpoint::Endpoint;
use crate::balance::endpoint_set::EndpointSet;
use crate::balance::instant::Instant;
use crate::balance::standing::EjectionReason;
use crate::defaults::EJECTED_PERCENT_MAX_SMALL_POOL;

/// What an attempt has shown of its endpoint, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Observed {
    /// An answer below 500.
    Served,
    /// An answer of 500 and above.
    ServerError,
    /// 502, 503 or 504: the endpoint could not do its work.
    GatewayError,
    /// No answer: no connection, a reset, a time-out, garbage.
    LocalFailure,
}

impl Observed {
    pub(crate) fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Self::GatewayError,
            status if status.is_server_error() => Self::ServerError,
            _ => Self::Served,
        }
    }
}

/// Failures in a row, by how bad they are at least: each kind counts for the milder ones too.
#[derive(Debug, Default)]
pub(super) struct Failures {
    local: AtomicU32,
    gateway: AtomicU32,
    server: AtomicU32,
}

impl Failures {
    /// Counts an attempt. Returns the first rule that has had enough.
    fn count(&self, observed: Observed, rules: &Outlier) -> Option<EjectionReason> {
        let kinds = [
            (
                &self.local,
                Observed::LocalFailure,
                rules.local_failures,
                EjectionReason::LocalFailures,
            ),
            (
                &self.gateway,
                Observed::GatewayError,
                rules.gateway_failures,
                EjectionReason::GatewayFailures,
            ),
            (
                &self.server,
                Observed::ServerError,
                rules.server_errors,
                EjectionReason::ServerErrors,
            ),
        ];
        let mut broken = None;
        for (count, kind, limit, reason) in kinds {
            if observed >= kind {
                let in_a_row = count.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                if limit > 0 && in_a_row >= limit && broken.is_none() {
                    broken = Some(reason);
                }
            } else if count.load(Ordering::Relaxed) != 0 {
                // The load keeps the common case from writing to a line that other cores read.
                count.store(0, Ordering::Relaxed);
            }
        }
        broken
    }

    pub(super) fn forget(&self) {
        for count in [&self.local, &self.gateway, &self.server] {
            count.store(0, Ordering::Relaxed);
        }
    }
}

/// Counts what an attempt has shown of `endpoint`, one of `set`, and ejects it when that was too much.
/// Returns why it was ejected by this call.
pub(crate) fn record(
    endpoint: &Endpoint,
    set: &EndpointSet,
    rules: &Outlier,
    observed: Observed,
    now: Instant,
) -> Option<EjectionReason> {
    if rules.success_rate.is_some() {
        endpoint.tally().count(observed);
    }
    let reason = endpoint.failures.count(observed, rules)?;
    eject(endpoint, set, rules, reason, now).then_some(reason)
}

/// Ejects an endpoint unless too many are out. Returns whether it did.
pub(super) fn eject(
    endpoint: &Endpoint,
    set: &EndpointSet,
    rules: &Outlier,
    reason: EjectionReason,
    now: Instant,
) -> bool {
    if endpoint.standing.is_ejected(now) {
        return false;
    }
    // One at a time, or two workers could eject one endpoint each where only one may go. Whoever comes
    // second does not wait: its endpoint goes with the next failure.
    let Some(_one_at_a_time) = set.ejecting.try_lock() else {
        return false;
    };
    let others = || set.iter().filter(|other| other.id != endpoint.id);
    let ejected = others()
        .filter(|other| other.standing.is_ejected(now))
        .count();
    let somebody_is_left = others().any(|other| other.standing.is_usable(now));
    if !somebody_is_left || ejected + 1 > most_ejected(set.len(), rules.percent_max) {
        return false;
    }
    endpoint.standing.eject(reason, rules, now);
    endpoint.failures.forget();
    true
}

/// How many endpoints of a pool may be out at once.
fn most_ejected(pool: usize, percent_max: u8) -> usize {
    let percent = match usize::from(percent_max) {
        0 => 0,
        percent if pool < 10 => percent.max(EJECTED_PERCENT_MAX_SMALL_POOL),
        percent => percent,
    };
    pool * percent / 100
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::testing::{outlier_rules, set_of};

    const NOW: Instant = Instant(1);

    /// Lets an endpoint show the same `times` times; the reason of its ejection, if it came to that.
    #[track_caller]
    fn show(
        set: &EndpointSet,
        index: usize,
        observed: Observed,
        times: u32,
    ) -> Option<EjectionReason> {
        let endpoint = set.iter().nth(index).expect("an endpoint");
        (0..times).find_map(|_| record(endpoint, set, &outlier_rules(), observed, NOW))
    }

    #[test]
    fn the_fifth_local_failure_in_a_row_ejects() {
        let set = set_of(2);
        assert_eq!(show(&set, 0, Observed::LocalFailure, 4), None);
        let reason = show(&set, 0, Observed::LocalFailure, 1);
        assert_eq!(reason, Some(EjectionReason::LocalFailures));
    }

    #[test]
    fn an_answer_in_between_starts_the_count_anew() {
        for answer in [Observed::Served, Observed::ServerError] {
            let set = set_of(2);
            show(&set, 0, Observed::LocalFailure, 4);
            show(&set, 0, answer, 1);
            assert_eq!(show(&set, 0, Observed::LocalFailure, 4), None);
        }
    }

    #[test]
    fn bad_gateways_and_broken_connections_count_together() {
        let set = set_of(2);
        show(&set, 0, Observed::GatewayError, 2);
        show(&set, 0, Observed::LocalFailure, 2);
        let reason = show(&set, 0, Observed::GatewayError, 1);
        assert_eq!(reason, Some(EjectionReason::GatewayFailures));
    }

    #[test]
    fn other_server_errors_count_only_where_the_table_says_so() {
        let set = set_of(2);
        assert_eq!(show(&set, 0, Observed::ServerError, 1_000), None);
        let endpoint = set.iter().next().expect("an endpoint");
        let rules = Outlier {
            server_errors: 3,
            ..outlier_rules()
        };
        endpoint.failures.forget();
        let show = |observed| record(endpoint, &set, &rules, observed, NOW);
        assert_eq!(show(Observed::ServerError), None);
        assert_eq!(show(Observed::LocalFailure), None);
        let reason = show(Observed::ServerError);
        assert_eq!(reason, Some(EjectionReason::ServerErrors));
    }

    #[test]
    fn a_rule_that_is_off_ejects_nobody() {
        let set = set_of(2);
        let endpoint = set.iter().next().expect("an endpoint");
        let rules = Outlier {
            local_failures: 0,
            gateway_failures: 0,
            ..outlier_rules()
        };
        for _ in 0..100 {
            let reason = record(endpoint, &set, &rules, Observed::LocalFailure, NOW);
            assert_eq!(reason, None);
        }
    }

    #[test]
    fn an_only_endpoint_is_never_ejected() {
        let set = set_of(1);
        assert_eq!(show(&set, 0, Observed::LocalFailure, 100), None);
    }

    #[test]
    fn the_last_usable_endpoint_is_never_ejected() {
        let set = set_of(4);
        for sick in set.iter().skip(1) {
            sick.standing.set_health(Err("no answer".into()), NOW);
        }
        assert_eq!(show(&set, 0, Observed::LocalFailure, 100), None);
    }

    #[test]
    fn one_of_two_may_be_out_but_not_both() {
        let set = set_of(2);
        assert!(show(&set, 0, Observed::LocalFailure, 5).is_some());
        assert_eq!(show(&set, 1, Observed::LocalFailure, 100), None);
    }

    #[test]
    fn a_tenth_of_a_large_pool_may_be_out() {
        let set = set_of(20);
        let ejected = (0..20)
            .filter(|index| show(&set, *index, Observed::LocalFailure, 5).is_some())
            .count();
        assert_eq!(ejected, 2);
    }

    #[test]
    fn the_table_says_how_many_may_be_out() {
        assert_eq!(most_ejected(4, 0), 0);
        assert_eq!(most_ejected(4, 10), 2);
        assert_eq!(most_ejected(4, 75), 3);
        assert_eq!(most_ejected(40, 0), 0);
        assert_eq!(most_ejected(40, 25), 10);
    }

    #[test]
    fn statuses_are_told_apart() {
        for (status, observed) in [
            (200, Observed::Served),
            (404, Observed::Served),
            (429, Observed::Served),
            (500, Observed::ServerError),
            (501, Observed::ServerError),
            (502, Observed::GatewayError),
            (503, Observed::GatewayError),
            (504, Observed::GatewayError),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(Observed::of(status), observed, "{status}");
        }
    }
}
