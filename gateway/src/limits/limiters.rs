//! The limits of one table, by id.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;
use route_table::table::{Bound, Limit, LimitId};

use super::buckets::Buckets;
use super::fields::PolicyFields;
use super::gcra::Verdict;
use super::in_use::{InUse, Place};
use super::key::{KeyParts, key_of};

/// What a limit says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) id: LimitId,
    /// Whether the request is within the limit; it was counted if it is.
    pub(crate) allowed: bool,
    /// `false`: the limit is on trial; a request beyond it is counted and passes.
    pub(crate) enforce: bool,
    pub(crate) remaining: u32,
    /// Until the whole burst is there again.
    pub(crate) reset_after: Duration,
    /// Until one more request will be allowed.
    pub(crate) retry_after: Duration,
}

impl Decision {
    /// Whether the request must be answered with `429`.
    pub(crate) fn refuses(&self) -> bool {
        self.enforce && !self.allowed
    }
}

/// All limits of a table with their buckets.
#[derive(Debug, Default)]
pub(crate) struct Limiters {
    limiters: Vec<Limiter>,
}

#[derive(Debug)]
struct Limiter {
    limit: Limit,
    counting: Counting,
    /// What clients are told; nothing of what is counted at once.
    fields: Option<PolicyFields>,
}

/// Where a limit counts.
#[derive(Debug, Clone)]
enum Counting {
    Rate(Arc<Buckets>),
    Concurrent(Arc<InUse>),
}

impl Counting {
    fn new(bound: Bound) -> Self {
        match bound {
            Bound::Rate(rate) => Self::Rate(Arc::new(Buckets::new(rate))),
            Bound::Concurrent(max) => Self::Concurrent(Arc::new(InUse::new(max))),
        }
    }
}

/// When to come back where the end of another request is what is waited for.
const ASK_AGAIN: Duration = Duration::from_secs(1);

impl Limiters {
    /// Builds the limits of a table. A limit of the previous table that has the same name, key and bound
    /// goes on counting where it is: a reload must not hand out a new burst.
    pub(crate) fn build(previous: Option<&Self>, limits: &[Limit]) -> Self {
        let counting = |limit: &Limit| {
            let kept = previous.and_then(|previous| previous.like(limit));
            kept.unwrap_or_else(|| Counting::new(limit.bound))
        };
        let limiters = limits
            .iter()
            .map(|limit| Limiter {
                limit: limit.clone(),
                counting: counting(limit),
                fields: match limit.bound {
                    Bound::Rate(rate) => Some(PolicyFields::new(&limit.name, rate)),
                    Bound::Concurrent(_) => None,
                },
            })
            .collect();
        Self { limiters }
    }

    fn like(&self, limit: &Limit) -> Option<Counting> {
        let same = |old: &Limit| {
            old.name == limit.name && old.key == limit.key && old.bound == limit.bound
        };
        let mut limiters = self.limiters.iter();
        let kept = limiters.find(|limiter| same(&limiter.limit))?;
        Some(kept.counting.clone())
    }

    fn limiter(&self, id: LimitId) -> &Limiter {
        self.limiters
            .get(id.0 as usize)
            .expect("limit ids come from the table these were built of")
    }

    /// Counts a request against one limit. Where that is one of requests at once, it has a place from
    /// now on, until the place is dropped.
    pub(crate) fn check(
        &self,
        id: LimitId,
        parts: &KeyParts<'_>,
        now: Instant,
    ) -> (Decision, Option<Place>) {
        let limiter = self.limiter(id);
        let key = key_of(&limiter.limit.key, parts);
        let (verdict, place) = match &limiter.counting {
            Counting::Rate(buckets) => (buckets.check(key, now), None),
            Counting::Concurrent(in_use) => {
                let taken = in_use.take(key);
                let verdict = Verdict {
                    allowed: taken.is_some(),
                    remaining: taken.as_ref().map_or(0, |(_, left)| *left),
                    reset_after: ASK_AGAIN,
                    retry_after: ASK_AGAIN,
                };
                (verdict, taken.map(|(place, _)| place))
            }
        };
        let Verdict {
            allowed,
            remaining,
            reset_after,
            retry_after,
        } = verdict;
        let decision = Decision {
            id,
            allowed,
            enforce: limiter.limit.enforce,
            remaining,
            reset_after,
            retry_after,
        };
        (decision, place)
    }

    /// Returns the limit's name, for log, metrics and the problem's `violated-policies`.
    pub(crate) fn name(&self, id: LimitId) -> &Arc<str> {
        &self.limiter(id).limit.name
    }

    /// Adds `RateLimit-Policy` and `RateLimit` to a response; a limit on trial adds nothing.
    pub(crate) fn write_fields(&self, decision: &Decision, headers: &mut HeaderMap) {
        let fields = self.limiter(decision.id).fields.as_ref();
        if let Some(fields) = fields.filter(|_| decision.enforce) {
            fields.write(decision, headers);
        }
    }
}

#[cfg(test)]
mod tests {
    use route_table::table::{LimitKey, Position, Rate};

    use super::*;
    use crate::auth::Caller;

    const POSITION_LINE: u32 = 7;

    fn limit(name: &str, count: u32, enforce: bool) -> Limit {
        Limit {
            name: name.into(),
            position: Position {
                file: "routes.yaml".into(),
                line: POSITION_LINE,
                column: 3,
            },
            key: LimitKey::Ip,
            bound: Bound::Rate(Rate {
                count,
                period: Duration::from_secs(60),
                burst: count,
            }),
            enforce,
        }
    }

    fn check(limiters: &Limiters, id: u32, now: Instant) -> Decision {
        let headers = HeaderMap::new();
        let client = "192.0.2.1".parse().unwrap();
        let parts = KeyParts {
            client,
            route: "GET /",
            headers: &headers,
            caller: &Caller::anonymous(),
        };
        limiters.check(LimitId(id), &parts, now).0
    }

    #[test]
    fn a_limit_keeps_its_state_across_a_reload_even_at_another_place() {
        let now = Instant::now();
        let old = Limiters::build(None, &[limit("a", 1, true)]);
        assert!(check(&old, 0, now).allowed);
        let new = Limiters::build(Some(&old), &[limit("b", 1, true), limit("a", 1, true)]);
        assert!(check(&new, 0, now).allowed, "a new limit starts fresh");
        assert!(check(&new, 1, now).refuses(), "a kept limit goes on");
    }

    #[test]
    fn a_changed_rate_starts_a_new_count() {
        let now = Instant::now();
        let old = Limiters::build(None, &[limit("a", 1, true)]);
        assert!(check(&old, 0, now).allowed);
        let new = Limiters::build(Some(&old), &[limit("a", 2, true)]);
        assert!(check(&new, 0, now).allowed);
    }

    #[test]
    fn a_limit_on_trial_counts_and_refuses_nothing() {
        let now = Instant::now();
        let limiters = Limiters::build(None, &[limit("trial", 1, false)]);
        assert!(check(&limiters, 0, now).allowed);
        let second = check(&limiters, 0, now);
        assert!(!second.allowed && !second.refuses());
        let mut headers = HeaderMap::new();
        limiters.write_fields(&second, &mut headers);
        assert!(headers.is_empty(), "a trial is not announced");
        assert_eq!(limiters.name(second.id).as_ref(), "trial");
    }

    #[test]
    fn two_limits_write_two_policies() {
        let now = Instant::now();
        let limiters = Limiters::build(None, &[limit("a", 1, true), limit("b", 2, true)]);
        let mut headers = HeaderMap::new();
        for id in [0, 1] {
            limiters.write_fields(&check(&limiters, id, now), &mut headers);
        }
        let policies: Vec<_> = headers.get_all("ratelimit-policy").iter().collect();
        assert_eq!(policies, ["\"a\";q=1;w=60", "\"b\";q=2;w=60"]);
    }
}
