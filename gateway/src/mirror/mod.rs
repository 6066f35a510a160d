//! Copies of requests for an upstream whose answers nobody hears: a route's `mirror:`.
//!
//! On the request's path a [`copy`] is begun and, once its body has passed by ([`tee`]), put into the
//! [`queue`]; a thread of its own, less urgent than the workers, sends it ([`thread`]). [`target`] bounds
//! what one mirror may hold up, and leaves it alone while it fails.
//!
//! **Architecture invariant:** the request that is copied waits for nothing here. Where a copy does not fit,
//! it is dropped and counted.

mod copy;
mod queue;
mod target;
mod tee;
mod thread;

pub(crate) use copy::{Begun, Original, begin};
pub(crate) use queue::{Mirrors, queue};
pub(crate) use target::Target;
pub(crate) use tee::Tee;
pub(crate) use thread::start;
