//! The same endpoint for the same key, with few moves when endpoints come and go.
//!
//! Maglev hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI
//! 2016, section 3.4). The table depends on nothing but the endpoints' addresses and weights: every
//! gateway sends a key to the same endpoint, and so does this one after a restart.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::balance::endpoint_set::Member;
use crate::balance::policy::{Candidate, Choice, Policy};
use crate::defaults::MAGLEV_TABLE_SIZE;

/// Seeds of the two hashes that make an endpoint's permutation of the table: any two will do, as long
/// as they are the same everywhere and for ever.
const OFFSET_SEED: u64 = 1;
const SKIP_SEED: u64 = 2;

/// Looks keys up in a table that was filled when the set was made. Slow start does not apply: it would
/// move keys.
#[derive(Debug)]
pub(super) struct Maglev {
    /// Index of a member in its set, for each slot; empty when there are no members.
    slots: Vec<u32>,
}

impl Policy for Maglev {
    fn pick(&self, choice: &Choice<'_>) -> usize {
        // Only a member too light for a slot of its own can be left alone with none.
        self.by_preference(choice).next().unwrap_or(0)
    }
}

/// Where a member stands among the candidates, which are in the set's order.
fn position(candidates: &[Candidate<'_>], member: usize) -> Option<usize> {
    candidates
        .binary_search_by_key(&member, |candidate| candidate.index)
        .ok()
}

/// A member while the table is being filled.
struct Filling {
    /// In the set.
    index: u32,
    identity: String,
    weight: u64,
    /// The next slot that it would like.
    next: u64,
    skip: u64,
    /// Rounds times weight at which its next turn comes.
    due: u64,
}

impl Maglev {
    pub(super) fn new(members: &[Member]) -> Self {
        Self {
            slots: fill(&mut in_one_order(members), MAGLEV_TABLE_SIZE),
        }
    }

    /// Indices of candidates in the order in which the choice's key would have them, again and again.
    pub(super) fn by_preference(&self, choice: &Choice<'_>) -> impl Iterator<Item = usize> {
        let table = u64::try_from(self.slots.len()).unwrap_or(1).max(1);
        let start = usize::try_from(choice.hash % table).unwrap_or(0);
        // A slot of a member that is no candidate now passes its keys on to the next slots, which are
        // anybody's: they spread over all that are left, and come back when it does.
        let (before, from) = self.slots.split_at(start.min(self.slots.len()));
        from.iter().chain(before).filter_map(|slot| {
            let member = usize::try_from(*slot).unwrap_or(usize::MAX);
            position(choice.candidates, member)
        })
    }
}

/// The members by identity: tables must not depend on the order in which discovery lists endpoints.
fn in_one_order(members: &[Member]) -> Vec<Filling> {
    let table = MAGLEV_TABLE_SIZE as u64;
    let mut filling: Vec<_> = (0_u32..)
        .zip(members)
        .map(|(index, member)| {
            let identity = member.endpoint.key.identity();
            let hash = |seed| xxh3_64_with_seed(identity.as_bytes(), seed);
            Filling {
                index,
                weight: u64::from(member.weight),
                next: hash(OFFSET_SEED) % table,
                skip: hash(SKIP_SEED) % (table - 1) + 1,
                due: 0,
                identity,
            }
        })
        .collect();
    filling.sort_by(|one, other| one.identity.cmp(&other.identity));
    filling
}

/// Lets members take slots in turn, each as many as its weight says, until none is free.
fn fill(members: &mut [Filling], size: usize) -> Vec<u32> {
    const FREE: u32 = u32::MAX;
    let Some(heaviest) = members.iter().map(|member| member.weight).max() else {
        return Vec::new();
    };
    let mut slots = vec![FREE; size];
    let mut free = size;
    let mut round = 0;
    loop {
        round += 1;
        for member in &mut *members {
            if round * member.weight < member.due {
                continue;
            }
            member.due += heaviest;
            // The size is a prime, so that every member's steps pass every slot.
            while let Some(slot) = slots.get_mut(usize::try_from(member.next).unwrap_or(size)) {
                let taken = *slot != FREE;
                if !taken {
                    *slot = member.index;
                }
                member.next = (member.next + member.skip) % size as u64;
                if !taken {
                    break;
                }
            }
            free -= 1;
            if free == 0 {
                return slots;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::testing::{candidates, members, with_hash};

    const KEYS: u64 = 20_000;

    fn key(n: u64) -> u64 {
        xxh3_64_with_seed(&n.to_le_bytes(), 0)
    }

    /// The id of the endpoint that each key gets.
    fn owners(members: &[Member], left: impl Fn(&Member) -> bool) -> Vec<u64> {
        let policy = Maglev::new(members);
        let all = candidates(members);
        let candidates: Vec<_> = all.into_iter().filter(|one| left(one.member)).collect();
        (0..KEYS)
            .map(|n| {
                let index = policy.pick(&with_hash(&candidates, key(n)));
                candidates[index].member.endpoint.id
            })
            .collect()
    }

    /// Of the keys that did not belong to `gone`, how many have another owner, in percent.
    fn moved(before: &[u64], after: &[u64], gone: u64) -> f64 {
        let others: Vec<_> = before
            .iter()
            .zip(after)
            .filter(|(before, _)| **before != gone)
            .collect();
        let moved = others.iter().filter(|(old, new)| old != new).count();
        100.0 * f64::from(u32::try_from(moved).expect("few"))
            / f64::from(u32::try_from(others.len()).expect("few"))
    }

    #[test]
    fn keys_are_spread_evenly() {
        let owners = owners(&members(&[1; 10]), |_| true);
        for id in 1..=10 {
            let share = owners.iter().filter(|owner| **owner == id).count();
            assert!(share.abs_diff(2_000) < 200, "{id}: {share}");
        }
    }

    #[test]
    fn keys_are_spread_by_weight() {
        let owners = owners(&members(&[1, 2, 5]), |_| true);
        for (id, expected) in [(1, 2_500), (2, 5_000), (3, 12_500)] {
            let share = owners.iter().filter(|owner| **owner == id).count();
            assert!(share.abs_diff(expected) < 400, "{id}: {share}");
        }
    }

    #[test]
    fn when_one_of_ten_leaves_the_keys_of_the_others_stay() {
        let all = members(&[1; 10]);
        let before = owners(&all, |_| true);
        let nine: Vec<_> = all[..3].iter().chain(&all[4..]).cloned().collect();
        let after = owners(&nine, |_| true);
        let moved = moved(&before, &after, 4);
        assert!(moved < 4.0, "{moved} % of the others' keys moved");
    }

    #[test]
    fn when_one_of_ten_is_out_for_a_while_no_other_key_moves_and_its_own_are_shared() {
        let all = members(&[1; 10]);
        let before = owners(&all, |_| true);
        let after = owners(&all, |member| member.endpoint.id != 4);
        assert!(moved(&before, &after, 4).abs() < f64::EPSILON);
        let inherited = |heir: u64| {
            let pairs = before.iter().zip(&after);
            pairs
                .filter(|(old, new)| **old == 4 && **new == heir)
                .count()
        };
        let most = (1..=10).map(inherited).max().expect("ten");
        assert!(
            most < 400,
            "one endpoint inherits {most} of about 2,000 keys"
        );
    }

    #[test]
    fn the_order_of_discovery_does_not_matter() {
        let one = members(&[1; 5]);
        let other: Vec<_> = one.iter().rev().cloned().collect();
        assert_eq!(owners(&one, |_| true), owners(&other, |_| true));
    }

    #[test]
    fn no_members_are_an_empty_table() {
        assert!(Maglev::new(&[]).slots.is_empty());
    }
}
