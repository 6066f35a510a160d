//! Login throttle: after a few wrong passwords a user name has to wait, longer each time.
//!
//! By user name and not by address: the gateway limits addresses, and guesses at one account come
//! from many. Unknown names are counted alike, so that the answer does not tell which exist.

use std::collections::HashMap;

use crate::clock::UnixSeconds;
use crate::opaque::Hash;

/// Wrong passwords before the first wait.
const FREE_FAILURES: u32 = 5;
/// The first wait, in seconds; each further failure doubles it.
const FIRST_WAIT_S: i64 = 30;
/// The longest wait, and after how much quiet a name starts afresh, in seconds.
const WAIT_MAX_S: i64 = 15 * 60;
/// Names that are remembered at once; the one that was quiet longest makes room.
const NAMES_MAX: usize = 10_000;

/// Counts failed logins by user name.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    attempts: HashMap<[u8; 32], Attempts>,
}

/// How long to wait, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RetryAfter(pub(crate) i64);

#[derive(Debug, Clone, Copy)]
struct Attempts {
    failures: u32,
    last_at: UnixSeconds,
}

impl Attempts {
    fn open_again_at(self) -> UnixSeconds {
        let Some(doublings) = self.failures.checked_sub(FREE_FAILURES) else {
            return self.last_at;
        };
        let wait = FIRST_WAIT_S
            .saturating_mul(1 << doublings.min(16))
            .min(WAIT_MAX_S);
        self.last_at.saturating_add(wait)
    }

    fn is_forgotten(self, now: UnixSeconds) -> bool {
        now.saturating_sub(self.last_at) >= WAIT_MAX_S
    }
}

impl Throttle {
    /// Admits one attempt and counts it as failed until [`Throttle::succeeded`] says otherwise: so
    /// attempts that run side by side do not slip through together.
    pub(crate) fn admit(&mut self, name: &str, now: UnixSeconds) -> Result<(), RetryAfter> {
        let key = key_of(name);
        let known = self
            .attempts
            .get(&key)
            .copied()
            .filter(|a| !a.is_forgotten(now));
        if let Some(attempts) = known {
            let wait = attempts.open_again_at().saturating_sub(now);
            if wait > 0 {
                return Err(RetryAfter(wait));
            }
        }
        if !self.attempts.contains_key(&key) {
            self.make_room(now);
        }
        let failures = known
            .map_or(0, |attempts| attempts.failures)
            .saturating_add(1);
        self.attempts.insert(
            key,
            Attempts {
                failures,
                last_at: now,
            },
        );
        Ok(())
    }

    /// Forgets a name's failures.
    pub(crate) fn succeeded(&mut self, name: &str) {
        self.attempts.remove(&key_of(name));
    }

    fn make_room(&mut self, now: UnixSeconds) {
        if self.attempts.len() < NAMES_MAX {
            return;
        }
        self.attempts
            .retain(|_, attempts| !attempts.is_forgotten(now));
        if self.attempts.len() >= NAMES_MAX {
            let quietest = self
                .attempts
                .iter()
                .min_by_key(|(_, a)| a.last_at)
                .map(|(key, _)| *key);
            quietest.map(|key| self.attempts.remove(&key));
        }
    }
}

/// Names are kept as hashes of one length: a long one costs no more than a short one, and a
/// password typed into the wrong field is not kept in the clear.
fn key_of(name: &str) -> [u8; 32] {
    let hash = Hash::of(&name.trim().to_ascii_lowercase());
    hash.as_bytes()
        .try_into()
        .expect("a SHA-256 digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "a@example.test";

    fn throttle_after_failures(failures: u32) -> Throttle {
        let mut throttle = Throttle::default();
        for _ in 0..failures {
            throttle.admit(NAME, 0).unwrap();
        }
        throttle
    }

    #[test]
    fn five_failures_are_free_and_then_the_wait_doubles() {
        let mut throttle = throttle_after_failures(FREE_FAILURES);
        assert_eq!(throttle.admit(NAME, 0), Err(RetryAfter(30)));
        assert_eq!(throttle.admit(NAME, 29), Err(RetryAfter(1)));
        assert_eq!(throttle.admit(NAME, 30), Ok(()));
        assert_eq!(throttle.admit(NAME, 30), Err(RetryAfter(60)));
    }

    #[test]
    fn the_wait_has_an_end_however_long_the_guessing_lasts() {
        let mut throttle = throttle_after_failures(FREE_FAILURES);
        let mut now = 0;
        for _ in 0..50 {
            if let Err(RetryAfter(wait)) = throttle.admit(NAME, now) {
                assert!(wait <= WAIT_MAX_S);
                now += wait;
            }
        }
    }

    #[test]
    fn another_name_is_not_made_to_wait_and_case_makes_no_other_name() {
        let mut throttle = throttle_after_failures(FREE_FAILURES);
        assert_eq!(throttle.admit("b@example.test", 0), Ok(()));
        assert!(throttle.admit(" A@EXAMPLE.test ", 0).is_err());
    }

    #[test]
    fn a_success_and_a_quarter_of_an_hour_of_quiet_start_afresh() {
        let mut throttle = throttle_after_failures(FREE_FAILURES - 1);
        throttle.succeeded(NAME);
        for _ in 0..FREE_FAILURES {
            throttle.admit(NAME, 0).unwrap();
        }
        assert!(throttle.admit(NAME, 0).is_err());
        for _ in 0..FREE_FAILURES {
            throttle.admit(NAME, WAIT_MAX_S).unwrap();
        }
    }

    #[test]
    fn the_number_of_remembered_names_is_bounded() {
        let mut throttle = Throttle::default();
        for n in 0..NAMES_MAX + 10 {
            throttle.admit(&format!("{n}"), 0).unwrap();
        }
        assert_eq!(throttle.attempts.len(), NAMES_MAX);
    }
}
