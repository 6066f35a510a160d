//! Whether an endpoint may be used, why not, and since when.
//!
//! Four judges are heard, each for itself: active checks (healthy or not), passive ejection (out for a
//! while), attempts to connect (out of reach), and discovery (doubtful: used last). What a request reads of it is atomics; words for people
//! are kept beside them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use route_table::table::Outlier;

use crate::balance::instant::Instant;
use crate::balance::reachability::Reachability;

/// Which rule has taken an endpoint out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum EjectionReason {
    /// Failures in a row between us and the endpoint.
    LocalFailures,
    /// The same, or answers 502, 503 and 504 in a row.
    GatewayFailures,
    /// Any answers of 500 and above in a row.
    ServerErrors,
    /// Its answers are much worse than those of its like.
    SuccessRate,
}

impl EjectionReason {
    const ALL: [Self; 4] = [
        Self::LocalFailures,
        Self::GatewayFailures,
        Self::ServerErrors,
        Self::SuccessRate,
    ];

    /// What log, metrics and the admin page call it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::LocalFailures => "local_failures",
            Self::GatewayFailures => "gateway_failures",
            Self::ServerErrors => "server_errors",
            Self::SuccessRate => "success_rate",
        }
    }
}

/// Why discovery has doubts about an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// It has not renewed its lease.
    LeaseExpired,
    /// It is about to leave.
    Draining,
}

/// What an endpoint is fit for; of several reasons against it, the first of this list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Ejected {
        reason: EjectionReason,
        until: Instant,
    },
    Unhealthy {
        reason: Arc<str>,
    },
    /// No connection could be opened the last time.
    Unreachable {
        reason: Arc<str>,
        /// When it is tried again though there are others.
        until: Instant,
    },
    Suspect(Doubt),
    Available,
}

impl State {
    /// Every name that [`State::as_str`] gives.
    pub(crate) const NAMES: [&'static str; 5] = [
        "available",
        "suspect",
        "unreachable",
        "unhealthy",
        "ejected",
    ];

    /// What metrics and the admin page call it.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Ejected { .. } => "ejected",
            Self::Unhealthy { .. } => "unhealthy",
            Self::Unreachable { .. } => "unreachable",
            Self::Suspect(_) => "suspect",
            Self::Available => "available",
        }
    }
}

/// The reason in a word or a few; empty for what is available.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ejected { reason, .. } => reason.as_str(),
            Self::Unhealthy { reason } | Self::Unreachable { reason, .. } => reason,
            Self::Suspect(Doubt::LeaseExpired) => "lease expired",
            Self::Suspect(Doubt::Draining) => "draining",
            Self::Available => "",
        })
    }
}

/// What is thought of one endpoint.
#[derive(Debug)]
pub(crate) struct Standing {
    /// Verdict of active checks; true until they say otherwise.
    healthy: AtomicBool,
    /// The last failed check, with when it was believed.
    unhealthy: ArcSwapOption<Unhealthy>,
    ejected_until: AtomicU64,
    ejected_at: AtomicU64,
    /// Index in [`EjectionReason::ALL`].
    ejected_for: AtomicU8,
    /// How many times the base the last ejection lasted.
    ejections: AtomicU32,
    reachability: Reachability,
    /// 0: none; else a [`Doubt`].
    doubt: AtomicU8,
    doubted_since: AtomicU64,
    /// When it was found or found healthy again; ejections have their own end.
    ready_since: AtomicU64,
}

#[derive(Debug)]
struct Unhealthy {
    reason: Arc<str>,
    since: Instant,
}

impl Standing {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            healthy: AtomicBool::new(true),
            unhealthy: ArcSwapOption::empty(),
            ejected_until: AtomicU64::new(0),
            ejected_at: AtomicU64::new(0),
            ejected_for: AtomicU8::new(0),
            ejections: AtomicU32::new(0),
            reachability: Reachability::default(),
            doubt: AtomicU8::new(0),
            doubted_since: AtomicU64::new(0),
            ready_since: AtomicU64::new(now.0),
        }
    }

    /// Whether requests should go there: neither unhealthy nor ejected nor out of reach.
    pub(crate) fn is_usable(&self, now: Instant) -> bool {
        self.healthy.load(Ordering::Relaxed) && !self.is_ejected(now) && self.is_reachable(now)
    }

    /// Whether no connection has failed to open of late.
    pub(crate) fn is_reachable(&self, now: Instant) -> bool {
        !self.reachability.is_paused(now)
    }

    /// Takes that no connection could be opened. Returns whether this is news.
    pub(crate) fn lose(&self, reason: impl FnOnce() -> Arc<str>, now: Instant) -> bool {
        self.reachability.lose(reason, now)
    }

    /// Takes that a request is on its way there.
    pub(crate) fn begin(&self, now: Instant) {
        self.reachability.try_again(now);
    }

    /// Takes that it has answered. Returns whether this ends a time out of reach.
    pub(crate) fn find(&self, now: Instant) -> bool {
        let is_news = self.reachability.find();
        if is_news {
            self.ready_since.store(now.0, Ordering::Relaxed);
        }
        is_news
    }

    pub(crate) fn is_ejected(&self, now: Instant) -> bool {
        self.ejected_until.load(Ordering::Relaxed) > now.0
    }

    pub(crate) fn is_suspect(&self) -> bool {
        self.doubt.load(Ordering::Relaxed) != 0
    }

    /// Takes what discovery thinks of the endpoint.
    pub(crate) fn set_doubt(&self, doubt: Option<Doubt>, now: Instant) {
        let code = match doubt {
            None => 0,
            Some(Doubt::LeaseExpired) => 1,
            Some(Doubt::Draining) => 2,
        };
        if self.doubt.swap(code, Ordering::Relaxed) != code {
            self.doubted_since.store(now.0, Ordering::Relaxed);
        }
    }

    /// Takes the verdict of active checks: `Err` with the reason. Returns whether it changed.
    ///
    /// A passed check ends an ejection for local failures, and that it was out of reach: what could not be
    /// reached was reached, and a restarted instance should not wait for its sentence to pass. It says nothing about answers, so
    /// that other ejections last their time.
    pub(crate) fn set_health(&self, verdict: Result<(), Arc<str>>, now: Instant) -> bool {
        let healthy = verdict.is_ok();
        if healthy
            && self.is_ejected(now)
            && self.ejection_reason() == EjectionReason::LocalFailures
        {
            self.ejected_until.store(now.0, Ordering::Relaxed);
        }
        if healthy {
            self.find(now);
        }
        let changed = self.healthy.swap(healthy, Ordering::Relaxed) != healthy;
        match verdict {
            Ok(()) if changed => {
                self.ready_since.store(now.0, Ordering::Relaxed);
                self.unhealthy.store(None);
            }
            Ok(()) => {}
            Err(reason) => {
                let before = self.unhealthy.load();
                let since = before.as_ref().map_or(now, |before| before.since);
                self.unhealthy
                    .store(Some(Arc::new(Unhealthy { reason, since })));
            }
        }
        changed
    }

    /// Takes the endpoint out: the nth time in a row for n times as long. Good time makes n smaller
    /// again, one step for each `ejection` that has passed without one.
    pub(super) fn eject(&self, reason: EjectionReason, rules: &Outlier, now: Instant) {
        let base_nanos = rules.ejection.as_nanos().max(1);
        let good = now.since(Instant(self.ejected_until.load(Ordering::Relaxed)));
        let forgiven = u32::try_from(good.as_nanos() / base_nanos).unwrap_or(u32::MAX);
        let useful = rules.ejection_max.as_nanos().div_ceil(base_nanos);
        let before = self.ejections.load(Ordering::Relaxed);
        let nth = (before.saturating_sub(forgiven) + 1)
            .min(u32::try_from(useful).unwrap_or(u32::MAX))
            .max(1);
        let sentence = rules.ejection.saturating_mul(nth).min(rules.ejection_max);
        self.ejections.store(nth, Ordering::Relaxed);
        let code = EjectionReason::ALL.iter().position(|one| *one == reason);
        let code = code.and_then(|index| u8::try_from(index).ok());
        self.ejected_for.store(code.unwrap_or(0), Ordering::Relaxed);
        self.ejected_at.store(now.0, Ordering::Relaxed);
        self.ejected_until
            .store(now.after(sentence).0, Ordering::Relaxed);
    }

    fn ejection_reason(&self) -> EjectionReason {
        let index = usize::from(self.ejected_for.load(Ordering::Relaxed));
        let known = EjectionReason::ALL.get(index);
        known.copied().unwrap_or(EjectionReason::LocalFailures)
    }

    /// Since when it has been ready without a break, for slow start. An ejection that has ended by
    /// `now` is a break.
    pub(super) fn ready_since(&self, now: Instant) -> Instant {
        let ready = self.ready_since.load(Ordering::Relaxed);
        let ejected_until = self.ejected_until.load(Ordering::Relaxed);
        Instant(ready.max(ejected_until.min(now.0)))
    }

    /// What the endpoint is fit for, and since when.
    pub(crate) fn state(&self, now: Instant) -> (State, Instant) {
        if self.is_ejected(now) {
            let state = State::Ejected {
                reason: self.ejection_reason(),
                until: Instant(self.ejected_until.load(Ordering::Relaxed)),
            };
            return (state, Instant(self.ejected_at.load(Ordering::Relaxed)));
        }
        if !self.healthy.load(Ordering::Relaxed)
            && let Some(unhealthy) = self.unhealthy.load_full()
        {
            let reason = Arc::clone(&unhealthy.reason);
            return (State::Unhealthy { reason }, unhealthy.since);
        }
        if let Some((lost, until)) = self.reachability.lost() {
            let reason = Arc::clone(&lost.reason);
            return (State::Unreachable { reason, until }, lost.since);
        }
        let doubt = match self.doubt.load(Ordering::Relaxed) {
            0 => return (State::Available, self.ready_since(now)),
            1 => Doubt::LeaseExpired,
            _ => Doubt::Draining,
        };
        let since = Instant(self.doubted_since.load(Ordering::Relaxed));
        (State::Suspect(doubt), since)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::balance::testing::outlier_rules;

    const SECOND: u64 = 1_000_000_000;

    fn at(seconds: u64) -> Instant {
        Instant(seconds * SECOND)
    }

    /// Seconds that an ejection at `now` lasts.
    fn sentence(standing: &Standing, now: Instant) -> u64 {
        standing.eject(EjectionReason::GatewayFailures, &outlier_rules(), now);
        let (State::Ejected { until, .. }, since) = standing.state(now) else {
            return 0;
        };
        assert_eq!(since, now);
        until.since(now).as_secs()
    }

    #[test]
    fn each_ejection_in_a_row_lasts_longer_up_to_the_limit() {
        let standing = Standing::new(at(0));
        let mut now = at(1);
        let mut lasted = Vec::new();
        for _ in 0..12 {
            let seconds = sentence(&standing, now);
            lasted.push(seconds);
            now = now.after(Duration::from_secs(seconds));
        }
        assert_eq!(lasted[..4], [30, 60, 90, 120]);
        assert_eq!(lasted[9..], [300, 300, 300]);
    }

    #[test]
    fn good_time_makes_the_next_ejection_shorter_again() {
        let standing = Standing::new(at(0));
        assert_eq!(sentence(&standing, at(1)), 30);
        assert_eq!(sentence(&standing, at(31)), 60);
        assert_eq!(sentence(&standing, at(91)), 90);
        // Out until 181 s; two steps of 30 s are forgiven.
        assert_eq!(sentence(&standing, at(245)), 60);
        assert_eq!(sentence(&standing, at(10_000)), 30);
    }

    #[test]
    fn a_passed_check_ends_an_ejection_for_what_a_check_can_see() {
        let standing = Standing::new(at(0));
        standing.eject(EjectionReason::LocalFailures, &outlier_rules(), at(1));
        standing.set_health(Ok(()), at(2));
        assert!(!standing.is_ejected(at(2)));
        standing.eject(EjectionReason::GatewayFailures, &outlier_rules(), at(3));
        standing.set_health(Ok(()), at(4));
        assert!(standing.is_ejected(at(4)));
    }

    #[test]
    fn an_unhealthy_endpoint_has_its_last_reason_and_its_first_moment() {
        let standing = Standing::new(at(0));
        assert!(standing.set_health(Err("status 503".into()), at(5)));
        assert!(!standing.set_health(Err("connection refused".into()), at(6)));
        let (state, since) = standing.state(at(7));
        assert_eq!((state.as_str(), since), ("unhealthy", at(5)));
        assert_eq!(state.to_string(), "connection refused");
        assert!(standing.set_health(Ok(()), at(8)));
        assert_eq!(standing.state(at(9)), (State::Available, at(8)));
    }

    #[test]
    fn a_doubt_that_is_repeated_keeps_its_moment() {
        let standing = Standing::new(at(0));
        standing.set_doubt(Some(Doubt::Draining), at(3));
        standing.set_doubt(Some(Doubt::Draining), at(4));
        assert_eq!(
            standing.state(at(5)),
            (State::Suspect(Doubt::Draining), at(3))
        );
        assert!(
            standing.is_usable(at(5)),
            "doubtful is not unusable, only last"
        );
    }

    #[test]
    fn an_ended_ejection_is_a_break_in_being_ready() {
        let standing = Standing::new(at(0));
        standing.eject(EjectionReason::GatewayFailures, &outlier_rules(), at(10));
        assert_eq!(standing.ready_since(at(50)), at(40));
        assert_eq!(standing.state(at(50)), (State::Available, at(40)));
    }
}
