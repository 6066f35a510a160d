//! Each endpoint in turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::balance::endpoint::Endpoint;

/// Chooses the member at `turn`, and moves on.
pub(super) fn pick<'e>(
    candidates: &[&'e Arc<Endpoint>],
    turn: &AtomicUsize,
) -> Option<&'e Arc<Endpoint>> {
    let index = turn
        .fetch_add(1, Ordering::Relaxed)
        .checked_rem(candidates.len())?;
    candidates.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::endpoint::endpoint_for_test;

    #[test]
    fn endpoints_take_turns() {
        let endpoints: Vec<_> = (0..3).map(endpoint_for_test).collect();
        let candidates: Vec<_> = endpoints.iter().collect();
        let turn = AtomicUsize::new(0);
        let picked: Vec<_> = (0..6)
            .filter_map(|_| pick(&candidates, &turn))
            .map(|endpoint| endpoint.id)
            .collect();
        assert_eq!(picked, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn nothing_is_picked_from_nothing() {
        assert!(pick(&[], &AtomicUsize::new(5)).is_none());
    }
}
