//! From a chosen upstream to the head of its answer.
//!
//! [`state`] is an upstream with its current endpoints, [`connect`] opens connections, [`pool`] keeps
//! those of one worker, [`lease`] is one in use, [`target`] is the path an upstream sees, [`attempt`]
//! sends a request once, [`forward`] is the loop over attempts, and [`deadline`] ends it in time.

mod attempt;
mod connect;
mod deadline;
mod forward;
mod lease;
mod pool;
mod state;
mod target;

pub(crate) use deadline::within;
pub(crate) use forward::{Forward, forward};
pub(crate) use lease::Lease;
pub(crate) use pool::Pool;
pub(crate) use state::{Discovered, UpstreamState};
pub(crate) use target::request_target;
