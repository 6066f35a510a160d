//! Requests divided among upstreams.

use crate::table::{HashKey, UpstreamId};

/// `split:` of a route: each upstream gets its share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Split {
    /// At least two.
    pub shares: Vec<Share>,
    /// What a client keeps its share by. `None`: each request is drawn for itself.
    pub by: Option<HashKey>,
}

/// One upstream's share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Share {
    pub upstream: UpstreamId,
    /// In relation to the sum of all; of a share of 0 nobody gets anything.
    pub weight: u32,
}

impl Split {
    /// The upstream for a value that is spread evenly over all numbers: a random one, or a hash.
    ///
    /// Shares lie one behind the other, so that whoever got the last upstream still gets it when its share
    /// grows at the cost of those before.
    #[must_use]
    pub fn choose(&self, value: u64) -> UpstreamId {
        let total: u64 = self
            .shares
            .iter()
            .map(|share| u64::from(share.weight))
            .sum();
        // Which part of `total` the value is of all numbers, without the bias of a remainder.
        let mut place = (u128::from(value) * u128::from(total)) >> 64;
        for share in &self.shares {
            match place.checked_sub(u128::from(share.weight)) {
                Some(rest) => place = rest,
                None => return share.upstream,
            }
        }
        // Not reached: the place lies below the sum of the weights.
        self.shares
            .last()
            .map_or(UpstreamId(0), |share| share.upstream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(weights: &[u32]) -> Split {
        let shares = (0..).zip(weights).map(|(id, weight)| Share {
            upstream: UpstreamId(id),
            weight: *weight,
        });
        Split {
            shares: shares.collect(),
            by: None,
        }
    }

    /// How many of 1,000 evenly spread values each upstream gets.
    fn counts(split: &Split) -> Vec<usize> {
        let values = (0..1_000).map(|index| u64::MAX / 2_000 * (2 * index + 1));
        let chosen: Vec<_> = values.map(|value| split.choose(value).0).collect();
        (0..)
            .zip(&split.shares)
            .map(|(id, _)| chosen.iter().filter(|chosen| **chosen == id).count())
            .collect()
    }

    #[test]
    fn each_upstream_gets_its_share() {
        assert_eq!(counts(&split(&[900, 100])), [900, 100]);
        assert_eq!(counts(&split(&[1, 0, 1])), [500, 0, 500]);
        assert_eq!(counts(&split(&[0, 7])), [0, 1_000]);
    }

    #[test]
    fn the_ends_of_all_numbers_are_somebodys() {
        let split = split(&[1, 2, 3]);
        assert_eq!(split.choose(0), UpstreamId(0));
        assert_eq!(split.choose(u64::MAX), UpstreamId(2));
    }

    #[test]
    fn whoever_got_the_last_one_keeps_it_when_its_share_grows() {
        let (few, more) = (split(&[95, 5]), split(&[80, 20]));
        let values = (0..1_000).map(|index| u64::MAX / 2_000 * (2 * index + 1));
        let kept = values.filter(|value| few.choose(*value) == UpstreamId(1));
        assert!(
            kept.into_iter()
                .all(|value| more.choose(value) == UpstreamId(1))
        );
    }
}
