//! Narrows an upstream's endpoints to those that should serve now, then asks the policy.
//!
//! ```text
//! all → not tried yet → reachable → sticky cookie's → usable → first sound priority → sure → own zone → policy
//! ```
//!
//! Every step but the cookie's is a preference: where it would leave nothing it is passed over, so that
//! something is selected as long as there is an endpoint at all. When no priority has enough usable
//! endpoints, all that can be reached serve alike (panic): so many failures at once are more likely the
//! checks' fault, and a bad endpoint beats an overrun one. A refused connection is nobody's opinion, so
//! that panic does not overrule it.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::balance::endpoint::Endpoint;
use crate::balance::endpoint_set::EndpointSet;
use crate::balance::instant::Instant;
use crate::balance::policy::{Candidate, Choice};
use crate::balance::slow_start;
use crate::defaults::{OWN_ZONE_PERCENT, PANIC_PERCENT};

/// What a selection needs besides the endpoints.
#[derive(Debug)]
pub(crate) struct Selection<'s> {
    /// Ids of endpoints that this request has tried already; avoided while another is left.
    pub(crate) tried: &'s [u64],
    /// The endpoint that the client's sticky cookie names.
    pub(crate) sticky: Option<u64>,
    /// The hash of what consistent hashing goes by.
    pub(crate) hash: u64,
    /// 64 random bits.
    pub(crate) random: u64,
    pub(crate) now: Instant,
}

/// Candidates live on the stack for pools of up to 16.
type Candidates<'c> = SmallVec<[Candidate<'c>; 16]>;

/// One step of the narrowing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Untried,
    Reachable,
    Sticky,
    Usable,
    Priority,
    Sure,
    OwnZone,
    Policy,
}

impl Step {
    /// What `explain` calls it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Untried => "not tried yet",
            Self::Reachable => "reachable",
            Self::Sticky => "the sticky cookie's",
            Self::Usable => "usable",
            Self::Priority => "first sound priority",
            Self::Sure => "not suspect",
            Self::OwnZone => "own zone",
            Self::Policy => "policy",
        }
    }
}

/// Chooses an endpoint; `None` only when there are no endpoints at all.
pub(crate) fn select(set: &EndpointSet, selection: &Selection<'_>) -> Option<Arc<Endpoint>> {
    narrow(set, selection, |_, _| {})
}

/// [`select`], with what each step has left of the endpoints before it.
pub(crate) fn select_and_tell(
    set: &EndpointSet,
    selection: &Selection<'_>,
) -> (Option<Arc<Endpoint>>, Vec<(Step, usize)>) {
    let mut steps = Vec::new();
    let mut before = set.len();
    let chosen = narrow(set, selection, |step, left| {
        if left < before {
            steps.push((step, left));
            before = left;
        }
    });
    (chosen, steps)
}

/// The one way to an endpoint. `told` hears how many are left after each step.
fn narrow(
    set: &EndpointSet,
    selection: &Selection<'_>,
    mut told: impl FnMut(Step, usize),
) -> Option<Arc<Endpoint>> {
    let mut left = candidates(set, selection);
    let levels = Levels::of(&left);

    // Whatever was wrong with an endpoint may be wrong still.
    prefer(&mut left, |one| !one.tried);
    told(Step::Untried, left.len());
    prefer(&mut left, |one| one.reachable);
    told(Step::Reachable, left.len());

    // A client comes back to its endpoint as long as that can serve, wherever it is.
    if let Some(cookie) = selection.sticky
        && let Some(own) = left
            .iter()
            .find(|one| set.is_called(one.index, cookie) && (one.usable || levels.panic()))
    {
        let own = Arc::clone(&own.member.endpoint);
        told(Step::Sticky, 1);
        return Some(own);
    }

    if !levels.panic() {
        prefer(&mut left, |one| one.usable);
        told(Step::Usable, left.len());
        if set.has_levels {
            let rank = |one: &Candidate<'_>| levels.rank(one.member.priority);
            let first = left.iter().map(rank).min();
            prefer(&mut left, |one| Some(rank(one)) == first);
            told(Step::Priority, left.len());
        }
        // Instances that are leaving, or may be gone, are not sent what others can do.
        prefer(&mut left, |one| !one.suspect);
        told(Step::Sure, left.len());
        if set.has_zones {
            prefer(&mut left, |one| {
                one.in_own_zone && levels.own_zone_suffices(one.member.priority)
            });
            told(Step::OwnZone, left.len());
        }
    }

    let choice = Choice {
        candidates: &left,
        hash: selection.hash,
        random: selection.random,
        now: selection.now,
    };
    let chosen = match left.len() {
        0 => None,
        1 => left.first(),
        _ => left.get(set.policy.pick(&choice)).or(left.first()),
    };
    if chosen.is_some() {
        told(Step::Policy, 1);
    }
    chosen.map(|one| Arc::clone(&one.member.endpoint))
}

/// Whether so little of a set is usable that all of it is used.
pub(crate) fn is_in_panic(set: &EndpointSet, now: Instant) -> bool {
    let selection = Selection {
        tried: &[],
        sticky: None,
        hash: 0,
        random: 0,
        now,
    };
    let all = candidates(set, &selection);
    !all.is_empty() && Levels::of(&all).panic()
}

/// Every member with what is known of it now, read once: one selection sees one state.
fn candidates<'c>(set: &'c EndpointSet, selection: &Selection<'_>) -> Candidates<'c> {
    let now = selection.now;
    let candidate = |(index, member)| {
        let member: &super::Member = member;
        let standing = &member.endpoint.standing;
        let share = set.slow_start.map_or(slow_start::WHOLE, |ramp| {
            slow_start::share(standing.ready_since(now), now, ramp)
        });
        Candidate {
            member,
            index,
            weight: member.weight.max(1).saturating_mul(share),
            in_own_zone: set.is_in_own_zone(index),
            usable: standing.is_usable(now),
            reachable: standing.is_reachable(now),
            suspect: standing.is_suspect(),
            tried: selection.tried.contains(&member.endpoint.id),
        }
    };
    set.members().iter().enumerate().map(candidate).collect()
}

/// Keeps those that pass, if any do.
fn prefer(candidates: &mut Candidates<'_>, pass: impl Fn(&Candidate<'_>) -> bool) {
    let passing = candidates.iter().filter(|one| pass(one)).count();
    if passing > 0 && passing < candidates.len() {
        candidates.retain(|one| pass(one));
    }
}

/// What can be said of each priority as a whole, a bit each.
#[derive(Debug, Clone, Copy)]
struct Levels {
    /// Enough of it is usable.
    sound: u16,
    /// Enough of its endpoints in the own zone are.
    own_zone: u16,
}

impl Levels {
    /// Judges all members, not only those that are left: how sound a priority is does not depend on
    /// where one request has been.
    fn of(all: &[Candidate<'_>]) -> Self {
        let (mut known, mut usable) = (Counts::default(), Counts::default());
        let (mut own, mut own_fit) = (Counts::default(), Counts::default());
        for one in all {
            let priority = one.member.priority;
            known.add(priority, true);
            usable.add(priority, one.usable);
            own.add(priority, one.in_own_zone);
            own_fit.add(priority, one.in_own_zone && one.usable && !one.suspect);
        }
        Self {
            sound: usable.reach(PANIC_PERCENT, &known),
            own_zone: own_fit.reach(OWN_ZONE_PERCENT, &own),
        }
    }

    /// No priority is sound.
    fn panic(self) -> bool {
        self.sound == 0
    }

    /// Orders priorities: the sound ones in their order, then the others.
    fn rank(self, priority: u8) -> (bool, u8) {
        (self.sound & bit(priority) == 0, priority)
    }

    fn own_zone_suffices(self, priority: u8) -> bool {
        self.own_zone & bit(priority) != 0
    }
}

/// Endpoints by priority. The table knows priorities up to 9.
#[derive(Debug, Default)]
struct Counts([usize; 16]);

impl Counts {
    fn add(&mut self, priority: u8, counts: bool) {
        if let Some(count) = self.0.get_mut(usize::from(priority.min(15))) {
            *count += usize::from(counts);
        }
    }

    /// The priorities, a bit each, of which these are at least so many percent of `known`.
    fn reach(&self, percent: usize, known: &Self) -> u16 {
        let pairs = self.0.iter().zip(&known.0).enumerate();
        pairs
            .filter(|(_, (count, known))| **known > 0 && **count * 100 >= **known * percent)
            .fold(0, |bits, (priority, _)| bits | (1 << priority))
    }
}

fn bit(priority: u8) -> u16 {
    1 << priority.min(15)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
