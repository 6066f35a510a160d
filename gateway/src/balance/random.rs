//! Any endpoint, by weight: no state at all.

use crate::balance::draw;
use crate::balance::policy::{Choice, Policy};

/// Each request anywhere, independently of every other.
#[derive(Debug)]
pub(super) struct Random;

impl Policy for Random {
    fn pick(&self, choice: &Choice<'_>) -> usize {
        draw::one(choice.candidates, draw::halves(choice.random).0)
    }
}
