//! What a load-balancing policy is, and which there are.
//!
//! A new policy is a file of its own beside this one with a type that implements [`Policy`], and an arm
//! in [`policy`]; its name in `routes.yaml` is given in `route_table::table::Balance`.

use std::fmt::Debug;

use route_table::table::Balance;

use crate::balance::bounded_maglev::BoundedMaglev;
use crate::balance::endpoint_set::Member;
use crate::balance::instant::Instant;
use crate::balance::least_request::LeastRequest;
use crate::balance::maglev::Maglev;
use crate::balance::peak_ewma::LowestCost;
use crate::balance::random::Random;
use crate::balance::round_robin::RoundRobin;

/// Chooses one of the endpoints that have been found fit. It is made anew when endpoints come or go,
/// and shared by all workers: whatever it remembers is atomic.
pub(super) trait Policy: Debug + Send + Sync {
    /// Returns the index of one of `choice.candidates`, of which there is at least one.
    fn pick(&self, choice: &Choice<'_>) -> usize;
}

/// What there is to choose from and to choose by.
#[derive(Debug)]
pub(super) struct Choice<'c> {
    /// In the order of their set.
    pub(super) candidates: &'c [Candidate<'c>],
    /// The hash of what consistent hashing goes by.
    pub(super) hash: u64,
    /// 64 random bits.
    pub(super) random: u64,
    pub(super) now: Instant,
}

/// A member of a set as one selection sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'c> {
    pub(super) member: &'c Member,
    /// In its set.
    pub(super) index: usize,
    /// In thousandths, after slow start; never 0.
    pub(super) weight: u32,
    pub(super) in_own_zone: bool,
    /// Neither ejected nor unhealthy nor out of reach.
    pub(super) usable: bool,
    /// A connection can be opened, as far as is known.
    pub(super) reachable: bool,
    /// Discovery has doubts about it.
    pub(super) suspect: bool,
    /// This request has been there already.
    pub(super) tried: bool,
}

/// Makes the policy that the table asks for. `seed` is any 64 random bits: gateways that start at the
/// same time should not begin with the same endpoint.
pub(super) fn policy(balance: Balance, members: &[Member], seed: u64) -> Box<dyn Policy> {
    match balance {
        Balance::PeakEwma => Box::new(LowestCost),
        Balance::LeastRequest => Box::new(LeastRequest),
        Balance::RoundRobin => Box::new(RoundRobin::new(seed)),
        Balance::Random => Box::new(Random),
        Balance::Maglev => Box::new(Maglev::new(members)),
        Balance::BoundedMaglev => Box::new(BoundedMaglev::new(members)),
    }
}
