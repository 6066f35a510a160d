//! What the tests of this module begin with.

use std::sync::Arc;

use route_table::table::{Outlier, Upstream};

use crate::balance::endpoint::{Endpoint, EndpointKey};
use crate::balance::endpoint_set::{EndpointSet, Member};
use crate::balance::instant::Instant;
use crate::balance::policy::{Candidate, Choice};
use crate::balance::slow_start;

pub(super) fn endpoint(id: u64) -> Arc<Endpoint> {
    let port = u16::try_from(7000 + id).expect("a small id");
    let key = EndpointKey::http("127.0.0.1", port);
    Arc::new(Endpoint::new(id, key, Instant(0)))
}

/// The row of an upstream about which `extra` is said.
pub(super) fn upstream(extra: &str) -> Upstream {
    let text = format!(
        "version: 1\nlisteners: [{{ bind: '127.0.0.1:0' }}]\n\
         upstreams: {{ a: {{ endpoints: ['http://127.0.0.1:1']{extra} }} }}\n\
         routes: [{{ match: {{ prefix: / }}, to: {{ upstream: a }} }}]\n"
    );
    crate::routing::table_for_test(&text).upstreams[0].clone()
}

/// The rules that a table has which says nothing of them.
pub(super) fn outlier_rules() -> Outlier {
    upstream("").outlier
}

/// Members with these weights and ids from 1.
pub(super) fn members(weights: &[u32]) -> Vec<Member> {
    (1..)
        .zip(weights)
        .map(|(id, weight)| Member {
            endpoint: endpoint(id),
            weight: *weight,
            zone: None,
            priority: 0,
        })
        .collect()
}

/// A set of `len` endpoints alike, ids from 1.
pub(super) fn set_of(len: usize) -> EndpointSet {
    EndpointSet::new(&upstream(""), None, members(&vec![1; len]), 0)
}

/// All members as usable candidates.
pub(super) fn candidates(members: &[Member]) -> Vec<Candidate<'_>> {
    members
        .iter()
        .enumerate()
        .map(|(index, member)| Candidate {
            member,
            index,
            weight: member.weight * slow_start::WHOLE,
            in_own_zone: false,
            usable: true,
            reachable: true,
            suspect: false,
            tried: false,
        })
        .collect()
}

pub(super) fn choice<'c>(candidates: &'c [Candidate<'c>], random: u64) -> Choice<'c> {
    choice_at(candidates, random, Instant(1))
}

pub(super) fn choice_at<'c>(
    candidates: &'c [Candidate<'c>],
    random: u64,
    now: Instant,
) -> Choice<'c> {
    Choice {
        candidates,
        hash: 0,
        random,
        now,
    }
}

pub(super) fn with_hash<'c>(candidates: &'c [Candidate<'c>], hash: u64) -> Choice<'c> {
    Choice {
        hash,
        ..choice(candidates, 0)
    }
}
