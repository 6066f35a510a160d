//! The same endpoint for the same key, unless it has too much to do already.
//!
//! Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded
//! Loads", SODA 2018), on the table of [`Maglev`]: one key that everybody asks for cannot overrun its
//! endpoint. A key whose endpoint is full goes to the next one of its own, always the same, and comes back
//! when there is room.

use crate::balance::endpoint_set::Member;
use crate::balance::maglev::Maglev;
use crate::balance::policy::{Candidate, Choice, Policy};
use crate::defaults::BOUNDED_LOAD_PERCENT;

/// [`Maglev`], with no candidate beyond its share of the requests in flight.
#[derive(Debug)]
pub(super) struct BoundedMaglev(Maglev);

impl BoundedMaglev {
    pub(super) fn new(members: &[Member]) -> Self {
        Self(Maglev::new(members))
    }
}

impl Policy for BoundedMaglev {
    fn pick(&self, choice: &Choice<'_>) -> usize {
        let share = Share::of(choice.candidates);
        let has_room = |index: &usize| {
            let candidate = choice.candidates.get(*index);
            candidate.is_some_and(|candidate| share.has_room(candidate))
        };
        let preferred = || self.0.pick(choice);
        // All shares together are more than there is, so that somebody has room.
        let mut in_order = self.0.by_preference(choice);
        in_order.find(has_room).unwrap_or_else(preferred)
    }
}

/// What a candidate may bear.
struct Share {
    /// With the request that is to be sent.
    in_flight: u64,
    weight: u64,
}

impl Share {
    fn of(candidates: &[Candidate<'_>]) -> Self {
        let in_flight: u64 = candidates.iter().map(in_flight).sum();
        Self {
            in_flight: in_flight + 1,
            weight: candidates.iter().map(|one| u64::from(one.weight)).sum(),
        }
    }

    /// Whether one more request leaves it within [`BOUNDED_LOAD_PERCENT`] of its fair share, rounded up.
    fn has_room(&self, candidate: &Candidate<'_>) -> bool {
        let own = u128::from(in_flight(candidate)) * u128::from(self.weight) * 100;
        let allowed = u128::from(self.in_flight)
            * u128::from(candidate.weight)
            * u128::from(BOUNDED_LOAD_PERCENT);
        own < allowed
    }
}

fn in_flight(candidate: &Candidate<'_>) -> u64 {
    u64::from(candidate.member.endpoint.in_flight())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::testing::{candidates, members, with_hash};

    const KEYS: u64 = 1_000;

    /// Sends `count` requests of one key, none of which ends; how many each endpoint bears then.
    fn borne(weights: &[u32], count: u32) -> Vec<u32> {
        let members = members(weights);
        let policy = BoundedMaglev::new(&members);
        let mut open = Vec::new();
        for _ in 0..count {
            let candidates = candidates(&members);
            let chosen = policy.pick(&with_hash(&candidates, 7));
            open.push(members[chosen].endpoint.begin());
        }
        let in_flight = members.iter().map(|member| member.endpoint.in_flight());
        in_flight.collect()
    }

    #[test]
    fn while_there_is_room_a_key_goes_where_maglev_sends_it() {
        let members = members(&[1, 2, 5]);
        let (bounded, maglev) = (BoundedMaglev::new(&members), Maglev::new(&members));
        let candidates = candidates(&members);
        for key in 0..KEYS {
            let choice = with_hash(&candidates, key.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            assert_eq!(bounded.pick(&choice), maglev.pick(&choice));
        }
    }

    #[test]
    fn one_key_never_takes_an_endpoint_beyond_a_quarter_more_than_its_share() {
        let most = borne(&[1; 4], 400).into_iter().max();
        assert!(
            most.is_some_and(|most| (100..=126).contains(&most)),
            "{most:?}"
        );
    }

    #[test]
    fn a_share_is_by_weight() {
        let borne = borne(&[1, 3], 400);
        assert!(borne[0] <= 126 && borne[1] <= 376, "{borne:?}");
    }

    #[test]
    fn a_key_overflows_to_the_same_endpoint_each_time_and_comes_back() {
        let members = members(&[1; 4]);
        let policy = BoundedMaglev::new(&members);
        let all = candidates(&members);
        let choice = with_hash(&all, 7);
        let own = policy.pick(&choice);
        let full: Vec<_> = (0..3).map(|_| members[own].endpoint.begin()).collect();
        let other = policy.pick(&choice);
        assert_ne!(other, own);
        assert_eq!(policy.pick(&choice), other);
        drop(full);
        assert_eq!(policy.pick(&choice), own);
    }
}
