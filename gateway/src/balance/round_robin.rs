//! Each endpoint in turn, as often as its weight says.
//!
//! gRPC's static-stride scheduler rather than nginx's smooth weighted round robin: it is as smooth, and
//! where nginx keeps a current weight for each peer under a lock, it needs a single counter, so that
//! workers do not wait for each other. The counter passes the endpoints in order, round by round; an
//! endpoint with less than the greatest weight sits out rounds, evenly spread.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::balance::policy::{Choice, Policy};

/// The greatest weight is scaled to this: enough steps for one to a thousand.
const STRIDE: u64 = 65_535;

/// Rounds that one pick looks at. The heaviest endpoint sits out none, so that one round would do if no
/// other worker moved the counter on.
const ROUNDS_MAX: usize = 4;

/// A counter that all workers move on.
#[derive(Debug)]
pub(super) struct RoundRobin {
    turn: AtomicU64,
}

impl RoundRobin {
    /// Begins anywhere.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            // The upper half stays free for counting.
            turn: AtomicU64::new(seed >> 32),
        }
    }
}

impl Policy for RoundRobin {
    fn pick(&self, choice: &Choice<'_>) -> usize {
        let candidates = choice.candidates;
        let len = u64::try_from(candidates.len()).unwrap_or(1).max(1);
        let heaviest = candidates.iter().map(|one| one.weight).max().unwrap_or(1);
        let mut index = 0;
        for _ in 0..candidates.len() * ROUNDS_MAX {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            index = usize::try_from(turn % len).unwrap_or(0);
            let weight = candidates.get(index).map_or(0, |one| u64::from(one.weight));
            if takes_part(turn / len, index, weight, u64::from(heaviest)) {
                break;
            }
        }
        index
    }
}

/// Whether an endpoint serves in a round. Its weight is added up round by round, and it serves in those
/// in which the sum passes another full stride; half a stride of offset keeps neighbours of equal weight
/// from sitting out the same rounds.
fn takes_part(round: u64, index: usize, weight: u64, heaviest: u64) -> bool {
    let scaled = (weight * STRIDE / heaviest.max(1)).max(1);
    let offset = u64::try_from(index).unwrap_or(0) * (STRIDE / 2);
    let sum = scaled.wrapping_mul(round).wrapping_add(offset);
    sum % STRIDE >= STRIDE - scaled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::testing::{candidates, choice, members};

    fn picked(weights: &[u32], count: usize) -> Vec<usize> {
        let members = members(weights);
        let candidates = candidates(&members);
        let policy = RoundRobin::new(0);
        (0..count)
            .map(|_| policy.pick(&choice(&candidates, 0)))
            .collect()
    }

    #[test]
    fn endpoints_take_turns() {
        assert_eq!(picked(&[1, 1, 1], 6), [0, 1, 2, 0, 1, 2]);
        assert_eq!(picked(&[7, 7], 4), [0, 1, 0, 1]);
    }

    #[test]
    fn each_serves_as_often_as_its_weight_says() {
        for weights in [&[5, 1, 1][..], &[1, 2, 3, 4], &[1000, 1], &[3, 3, 1]] {
            let total: u32 = weights.iter().sum();
            let rounds = 20;
            let picked = picked(weights, total as usize * rounds);
            for (index, weight) in weights.iter().enumerate() {
                let times = picked.iter().filter(|one| **one == index).count();
                let expected = *weight as usize * rounds;
                assert!(times.abs_diff(expected) <= rounds, "{weights:?}: {times}");
            }
        }
    }

    #[test]
    fn the_lighter_ones_are_spread_evenly_between_the_heavy() {
        let picked = picked(&[4, 1], 1_000);
        let gaps: Vec<_> = picked.split(|index| *index == 1).map(<[_]>::len).collect();
        let whole = &gaps[1..gaps.len() - 1];
        assert!(whole.iter().all(|gap| (3..=5).contains(gap)), "{whole:?}");
    }

    #[test]
    fn workers_that_pick_at_once_keep_the_shares() {
        let members = members(&[1, 3]);
        let policy = RoundRobin::new(u64::MAX);
        let served = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let candidates = candidates(&members);
                    for _ in 0..10_000 {
                        if policy.pick(&choice(&candidates, 0)) == 1 {
                            served.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let heavy = served.into_inner();
        assert!(heavy.abs_diff(30_000) < 1_000, "{heavy} of 40,000");
    }
}
