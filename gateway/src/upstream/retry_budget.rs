//! How many second attempts an upstream bears (tower's and Linkerd's retry budget).
//!
//! When everything fails, retries would multiply the load on what is failing. So they may be a share of
//! the requests of the last ten seconds, and a few in any case.

use std::sync::atomic::{AtomicU64, Ordering};

use route_table::table;

use crate::balance::Instant;

/// Seconds that are looked back on.
const WINDOW: u64 = 10;

/// The same, as a length.
const SECONDS: usize = 10;

/// Counts of one second each, all in one word so that they are read and written as one: 24 bits of
/// the second, 20 of requests, 20 of retries.
#[derive(Debug, Default)]
pub(crate) struct RetryBudget {
    seconds: [AtomicU64; SECONDS],
}

/// What a word holds.
#[derive(Debug, Clone, Copy)]
struct Second {
    second: u64,
    requests: u64,
    retries: u64,
}

const SECOND_BITS: u64 = 24;
const COUNT_BITS: u64 = 20;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

impl Second {
    fn unpack(word: u64) -> Self {
        Self {
            second: word >> (2 * COUNT_BITS),
            requests: (word >> COUNT_BITS) & COUNT_MAX,
            retries: word & COUNT_MAX,
        }
    }

    fn pack(self) -> u64 {
        let requests = self.requests.min(COUNT_MAX) << COUNT_BITS;
        self.second << (2 * COUNT_BITS) | requests | self.retries.min(COUNT_MAX)
    }
}

impl RetryBudget {
    /// Counts a client's request.
    pub(crate) fn count_request(&self, now: Instant) {
        self.add(now, |second| second.requests += 1);
    }

    /// Takes one retry out of the budget; `false` when there is none left.
    pub(crate) fn take_retry(&self, rules: table::RetryBudget, now: Instant) -> bool {
        let current = second_of(now);
        let (mut requests, mut retries) = (0, 0);
        for word in &self.seconds {
            let counted = Second::unpack(word.load(Ordering::Relaxed));
            if current.wrapping_sub(counted.second) & ((1 << SECOND_BITS) - 1) < WINDOW {
                requests += counted.requests;
                retries += counted.retries;
            }
        }
        let share = requests * u64::from(rules.percent) / 100;
        let allowed = share + u64::from(rules.floor) * WINDOW;
        let left = retries < allowed;
        if left {
            self.add(now, |second| second.retries += 1);
        }
        left
    }

    fn add(&self, now: Instant, change: impl Fn(&mut Second)) {
        let current = second_of(now);
        let index = usize::try_from(current % WINDOW).unwrap_or(0);
        let Some(word) = self.seconds.get(index) else {
            return;
        };
        let add = |word: u64| {
            let mut counted = Second::unpack(word);
            if counted.second != current {
                counted = Second {
                    second: current,
                    requests: 0,
                    retries: 0,
                };
            }
            change(&mut counted);
            Some(counted.pack())
        };
        // Never an error: `add` always has a new value.
        let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

fn second_of(now: Instant) -> u64 {
    (now.0 / 1_000_000_000) & ((1 << SECOND_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: table::RetryBudget = table::RetryBudget {
        percent: 20,
        floor: 1,
    };

    fn at(seconds: u64) -> Instant {
        Instant(seconds * 1_000_000_000)
    }

    fn retries(budget: &RetryBudget, now: Instant) -> usize {
        (0..10_000)
            .take_while(|_| budget.take_retry(RULES, now))
            .count()
    }

    #[test]
    fn a_fifth_of_the_requests_and_the_floor_may_be_retried() {
        let budget = RetryBudget::default();
        for _ in 0..1_000 {
            budget.count_request(at(5));
        }
        assert_eq!(retries(&budget, at(5)), 200 + 10);
    }

    #[test]
    fn a_quiet_upstream_may_be_retried_too() {
        assert_eq!(retries(&RetryBudget::default(), at(0)), 10);
    }

    #[test]
    fn what_is_older_than_ten_seconds_counts_no_more() {
        let budget = RetryBudget::default();
        for _ in 0..1_000 {
            budget.count_request(at(5));
        }
        assert_eq!(retries(&budget, at(14)), 210);
        assert_eq!(
            retries(&budget, at(15)),
            0,
            "the retries of second 14 still count"
        );
        assert_eq!(retries(&budget, at(24)), 10);
    }
}
