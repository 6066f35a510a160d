//! Which endpoint of an upstream gets the next attempt.
//!
//! An [`endpoint`] is one instance with the measurements that all workers share, its [`standing`]
//! whether it may be used; [`endpoint_set`] is an upstream's endpoints at one time. [`outlier`] and
//! [`success_rate`] take failing endpoints out for a while.
//!
//! [`selection`] narrows a set to those that should serve now, with [`slow_start`] and [`sticky`]
//! cookies, and asks the upstream's [`policy`], which are a file each. [`draw`] is what those that choose
//! at random share, [`hash_key`] what those go by that keep to a key.
//!
//! **Architecture invariant:** nothing here does I/O, reads a clock or draws a random number: time and
//! randomness are arguments. No request waits for a lock, and up to 16 endpoints a selection allocates
//! nothing.

mod instant;
mod endpoint;
mod standing;
mod reachability;
mod pauses;
mod endpoint_set;
mod outlier;
mod success_rate;
mod selection;
mod slow_start;
mod cookies;
mod hash_key;
mod policy;
mod draw;
mod peak_ewma;
mod least_request;
mod round_robin;
mod random;
mod maglev;
mod bounded_maglev;

pub(crate) mod sticky;

#[cfg(test)]
mod testing;

pub(crate) use cookies::find as cookie;
pub(crate) use endpoint::{Endpoint, EndpointKey, InFlight};
pub(crate) use endpoint_set::{EndpointSet, Member};
pub(crate) use hash_key::hash_key;
pub(crate) use instant::Instant;
pub(crate) use outlier::{Observed, record};
pub(crate) use pauses::Pauses;
pub(crate) use selection::{Selection, is_in_panic, select, select_and_tell};
pub(crate) use standing::{Doubt, EjectionReason, State};
pub(crate) use success_rate::compare;
