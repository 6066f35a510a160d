//! Draws candidates at random, by weight.

use crate::balance::policy::Candidate;

/// Draws one of `candidates`; `bits` are 32 random ones.
pub(super) fn one(candidates: &[Candidate<'_>], bits: u32) -> usize {
    let total = candidates.iter().map(|one| u64::from(one.weight)).sum();
    at(candidates, scale(bits, total), usize::MAX)
}

/// Draws two different ones; the same one twice when there is only one. Two random choices avoid the
/// herd that follows a global minimum (Mitzenmacher, "The Power of Two Choices").
pub(super) fn two(candidates: &[Candidate<'_>], random: u64) -> (usize, usize) {
    let (high, low) = halves(random);
    let total: u64 = candidates.iter().map(|one| u64::from(one.weight)).sum();
    let first = at(candidates, scale(high, total), usize::MAX);
    if candidates.len() < 2 {
        return (first, first);
    }
    let rest = total - candidates.get(first).map_or(0, |one| u64::from(one.weight));
    (first, at(candidates, scale(low, rest), first))
}

/// The candidate in whose weight `point` lies when all but that at `without` stand in a row.
fn at(candidates: &[Candidate<'_>], mut point: u64, without: usize) -> usize {
    let mut last = 0;
    for (index, candidate) in candidates.iter().enumerate() {
        if index == without {
            continue;
        }
        last = index;
        match point.checked_sub(u64::from(candidate.weight)) {
            Some(further) => point = further,
            None => break,
        }
    }
    last
}

/// Two independent halves.
pub(super) fn halves(random: u64) -> (u32, u32) {
    let half = |bits: u64| u32::try_from(bits & 0xffff_ffff).unwrap_or(0);
    (half(random >> 32), half(random))
}

/// Maps 32 random bits to `0..len` without division (Lemire).
fn scale(bits: u32, len: u64) -> u64 {
    let product = u128::from(bits) * u128::from(len);
    u64::try_from(product >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::testing::{candidates, members};

    #[test]
    fn one_is_drawn_as_often_as_its_weight_says() {
        let members = members(&[1, 2, 5]);
        let candidates = candidates(&members);
        let mut random = fastrand::Rng::with_seed(7);
        let mut drawn = [0_u32; 3];
        for _ in 0..80_000 {
            drawn[one(&candidates, random.u32(..))] += 1;
        }
        for (drawn, expected) in drawn.into_iter().zip([10_000, 20_000, 50_000]) {
            assert!(drawn.abs_diff(expected) < 700, "{drawn} for {expected}");
        }
    }

    #[test]
    fn two_are_never_the_same_while_there_are_two() {
        for weights in [&[1, 1][..], &[1, 1000], &[1000, 1, 1]] {
            let members = members(weights);
            let candidates = candidates(&members);
            let mut random = fastrand::Rng::with_seed(7);
            for _ in 0..1_000 {
                let (first, second) = two(&candidates, random.u64(..));
                assert_ne!(first, second, "{weights:?}");
                assert!(first.max(second) < weights.len());
            }
        }
        let only = members(&[3]);
        assert_eq!(two(&candidates(&only), u64::MAX), (0, 0));
    }

    #[test]
    fn the_ends_of_the_random_range_are_candidates_too() {
        let members = members(&[1, 2, 5]);
        let candidates = candidates(&members);
        assert_eq!(one(&candidates, 0), 0);
        assert_eq!(one(&candidates, u32::MAX), 2);
        assert_eq!(two(&candidates, u64::MAX), (2, 1));
    }
}
