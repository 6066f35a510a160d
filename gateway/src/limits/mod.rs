//! How much a client may ask: GCRA per key, or so many requests at once ([`in_use`]).
//!
//! After authentication, because a limit may count by a claim; the coarse [`PerIp`] limit stands before
//! it and keeps floods away from signature checks. A limit that does not enforce counts what it would
//! have refused.
//!
//! **Architecture invariant:** [`gcra`] is pure; time is an argument everywhere. State outlives a reload
//! of the table as long as the limit counts the same thing at the same rate.

mod gcra;
mod key;
mod buckets;
mod in_use;
mod fields;
mod limiters;
mod per_ip;

pub(crate) use fields::{QUOTA_EXCEEDED_TYPE, VIOLATED_POLICIES};
pub(crate) use in_use::Place;
pub(crate) use key::KeyParts;
pub(crate) use limiters::{Decision, Limiters};
pub(crate) use per_ip::PerIp;
