//! A circuit breaker: after [`FAILURES_MAX`] failures in a row nobody is let through for [`REST`]; then
//! one call tries, and its outcome decides.
//!
//! ```text
//!            5 failures in a row            5 s passed
//!   closed ─────────────────────► open ──────────────────► probing
//!      ▲                            ▲   failed, or given up   │
//!      │                            └─────────────────────────┤
//!      └──────────────────────────────────────────────────────┘ succeeded
//! ```
//!
//! [`Circuit`] is the pure machine, [`Breaker`] shares it between requests.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that open the breaker.
const FAILURES_MAX: u32 = 5;
/// How long an open breaker lets nobody through.
const REST: Duration = Duration::from_secs(5);
/// What those are told who come while one call tries.
const WHILE_PROBING: Duration = Duration::from_secs(1);

/// The machine. It knows no clock: the time is an argument.
#[derive(Debug)]
enum Circuit {
    Closed { failures: u32 },
    Open { until: Instant },
    Probing,
}

/// How somebody was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// With everybody else.
    Ordinary,
    /// As the one that tries.
    Probe,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Success,
    Failure,
    /// Nobody waited long enough to know.
    Unknown,
}

/// Come back after this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) retry_after: Duration,
}

impl Circuit {
    fn enter(&mut self, now: Instant) -> Result<Entry, Refused> {
        match *self {
            Self::Closed { .. } => Ok(Entry::Ordinary),
            Self::Open { until } if now >= until => {
                *self = Self::Probing;
                Ok(Entry::Probe)
            }
            Self::Open { until } => Err(Refused {
                retry_after: until - now,
            }),
            Self::Probing => Err(Refused {
                retry_after: WHILE_PROBING,
            }),
        }
    }

    fn leave(&mut self, entry: Entry, outcome: Outcome, now: Instant) {
        match (&mut *self, entry, outcome) {
            (Self::Closed { failures }, _, Outcome::Success) => *failures = 0,
            (Self::Closed { failures }, _, Outcome::Failure) => {
                *failures += 1;
                if *failures >= FAILURES_MAX {
                    *self = Self::Open { until: now + REST };
                }
            }
            (Self::Probing, Entry::Probe, Outcome::Success) => *self = Self::Closed { failures: 0 },
            (Self::Probing, Entry::Probe, Outcome::Failure) => {
                *self = Self::Open { until: now + REST };
            }
            // The next one tries at once: nothing was learnt.
            (Self::Probing, Entry::Probe, Outcome::Unknown) => *self = Self::Open { until: now },
            // Calls that began before the breaker opened say nothing of how things are now.
            _ => {}
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Open { .. } => "open",
            Self::Probing => "probing",
        }
    }
}

/// The breaker that all requests pass.
#[derive(Debug)]
pub(crate) struct Breaker {
    circuit: Mutex<Circuit>,
}

/// The right to one call. Dropped without an outcome, the call counts as given up.
#[derive(Debug)]
pub(crate) struct Permit<'b> {
    breaker: &'b Breaker,
    entry: Entry,
    outcome: Outcome,
}

impl Breaker {
    pub(crate) fn new() -> Self {
        Self {
            circuit: Mutex::new(Circuit::Closed { failures: 0 }),
        }
    }

    /// Lets a call through, or says when to come back.
    pub(crate) fn enter(&self) -> Result<Permit<'_>, Refused> {
        let entry = self.change(|circuit| circuit.enter(Instant::now()))?;
        Ok(Permit {
            breaker: self,
            entry,
            outcome: Outcome::Unknown,
        })
    }

    /// `closed`, `open` or `probing`.
    pub(crate) fn state(&self) -> &'static str {
        self.change(|circuit| circuit.name())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Circuit) -> T) -> T {
        // Nothing panics while the lock is held, and if it did, the machine would be whole.
        let mut circuit = self.circuit.lock().unwrap_or_else(PoisonError::into_inner);
        let before = circuit.name();
        let result = change(&mut circuit);
        let after = circuit.name();
        drop(circuit);
        if before != after {
            tracing::warn!(before, after, "the breaker before the monolith has changed");
        }
        result
    }
}

impl Permit<'_> {
    pub(crate) fn succeeded(mut self) {
        self.outcome = Outcome::Success;
    }

    pub(crate) fn failed(mut self) {
        self.outcome = Outcome::Failure;
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let (entry, outcome) = (self.entry, self.outcome);
        self.breaker
            .change(|circuit| circuit.leave(entry, outcome, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed() -> Circuit {
        Circuit::Closed { failures: 0 }
    }

    fn fail(circuit: &mut Circuit, times: u32, now: Instant) {
        for _ in 0..times {
            let entry = circuit.enter(now).unwrap();
            circuit.leave(entry, Outcome::Failure, now);
        }
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_a_success_between_starts_the_count_anew() {
        let now = Instant::now();
        let mut circuit = closed();
        fail(&mut circuit, 4, now);
        let entry = circuit.enter(now).unwrap();
        circuit.leave(entry, Outcome::Success, now);
        fail(&mut circuit, 4, now);
        assert_eq!(circuit.name(), "closed");
        fail(&mut circuit, 1, now);
        assert_eq!(circuit.name(), "open");
        assert_eq!(circuit.enter(now), Err(Refused { retry_after: REST }));
    }

    #[test]
    fn after_a_rest_one_call_tries_and_the_others_wait() {
        let now = Instant::now();
        let mut circuit = closed();
        fail(&mut circuit, 5, now);
        let almost = now + REST - Duration::from_millis(1);
        assert_eq!(
            circuit.enter(almost).unwrap_err().retry_after.as_millis(),
            1
        );
        assert_eq!(circuit.enter(now + REST), Ok(Entry::Probe));
        let retry_after = WHILE_PROBING;
        assert_eq!(circuit.enter(now + REST), Err(Refused { retry_after }));
    }

    #[test]
    fn the_one_that_tries_decides() {
        let now = Instant::now();
        for (outcome, state) in [
            (Outcome::Success, "closed"),
            (Outcome::Failure, "open"),
            (Outcome::Unknown, "open"),
        ] {
            let mut circuit = closed();
            fail(&mut circuit, 5, now);
            let later = now + REST;
            let entry = circuit.enter(later).unwrap();
            circuit.leave(entry, outcome, later);
            assert_eq!(circuit.name(), state);
            // Of a probe that was given up nothing was learnt: the next may try at once.
            let may_enter = circuit.enter(later).is_ok();
            assert_eq!(may_enter, outcome != Outcome::Failure);
        }
    }

    #[test]
    fn calls_from_before_it_opened_change_nothing() {
        let now = Instant::now();
        let mut circuit = closed();
        let old = circuit.enter(now).unwrap();
        fail(&mut circuit, 5, now);
        circuit.leave(old, Outcome::Success, now);
        assert_eq!(circuit.name(), "open");
        assert_eq!(circuit.enter(now + REST), Ok(Entry::Probe));
        circuit.leave(old, Outcome::Failure, now + REST);
        assert_eq!(circuit.name(), "probing");
    }

    #[test]
    fn giving_up_is_no_failure() {
        let now = Instant::now();
        let mut circuit = closed();
        for _ in 0..100 {
            let entry = circuit.enter(now).unwrap();
            circuit.leave(entry, Outcome::Unknown, now);
        }
        assert_eq!(circuit.name(), "closed");
    }

    #[test]
    fn a_dropped_permit_never_leaves_the_breaker_stuck() {
        let breaker = Breaker::new();
        for _ in 0..FAILURES_MAX {
            breaker.enter().unwrap().failed();
        }
        assert!(breaker.enter().is_err());
        let until = Instant::now();
        breaker.change(|circuit| *circuit = Circuit::Open { until });
        drop(breaker.enter().unwrap());
        breaker.enter().unwrap().succeeded();
        assert_eq!(breaker.state(), "closed");
    }
}
