//! The better of two random endpoints, by requests in flight.

use crate::balance::draw;
use crate::balance::policy::{Candidate, Choice, Policy};

/// Draws two by weight and takes the one with fewer requests in flight for its weight. Where both are
/// idle the first one drawn serves, so that quiet traffic is spread by weight too.
#[derive(Debug)]
pub(super) struct LeastRequest;

impl Policy for LeastRequest {
    fn pick(&self, choice: &Choice<'_>) -> usize {
        let (first, second) = draw::two(choice.candidates, choice.random);
        match (choice.candidates.get(first), choice.candidates.get(second)) {
            (Some(one), Some(other)) if load(other, one) < load(one, other) => second,
            _ => first,
        }
    }
}

/// Requests in flight for its weight, times the other's weight: compared without a division.
fn load(one: &Candidate<'_>, other: &Candidate<'_>) -> u64 {
    u64::from(one.member.endpoint.in_flight()) * u64::from(other.weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::testing::{candidates, choice, members};

    fn picked(weights: &[u32], in_flight: &[usize], rounds: usize) -> Vec<usize> {
        let members = members(weights);
        let _requests: Vec<_> = members
            .iter()
            .zip(in_flight)
            .flat_map(|(member, count)| (0..*count).map(|_| member.endpoint.begin()))
            .collect();
        let candidates = candidates(&members);
        let mut random = fastrand::Rng::with_seed(7);
        let mut picked = vec![0; weights.len()];
        for _ in 0..rounds {
            picked[LeastRequest.pick(&choice(&candidates, random.u64(..)))] += 1;
        }
        picked
    }

    #[test]
    fn of_two_the_one_with_fewer_requests_serves() {
        assert_eq!(picked(&[1, 1], &[3, 2], 100), [0, 100]);
    }

    #[test]
    fn twice_the_weight_bears_twice_the_requests() {
        assert_eq!(picked(&[1, 2], &[2, 3], 100), [0, 100]);
        assert_eq!(picked(&[1, 2], &[2, 5], 100), [100, 0]);
    }

    #[test]
    fn idle_endpoints_are_drawn_by_weight() {
        let picked = picked(&[1, 3], &[0, 0], 40_000);
        assert!(picked[0].abs_diff(10_000) < 500, "{picked:?}");
    }
}
