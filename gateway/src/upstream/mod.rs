//! From a chosen upstream to the head of its answer.
//!
//! [`state`] is an upstream with its current endpoints, [`connect`] opens connections, [`pool`] keeps
//! those of one worker, [`lease`] is one in use, [`target`] is the path an upstream sees, [`attempt`]
//! sends a request once, [`forward`] is the loop over attempts with [`backoff`] between them and
//! [`retry_budget`] to bound them, [`circuit`] bounds what is under way, [`deadline`] ends it in time, and
//! [`tunnel`] carries bytes once both sides have left HTTP.

mod attempt;
mod backoff;
mod circuit;
mod connect;
mod deadline;
mod forward;
mod lease;
mod pool;
mod retry_budget;
mod state;
mod target;
mod tunnel;

pub(crate) use deadline::within;
pub(crate) use forward::{Forward, forward, is_repeatable};
pub(crate) use lease::Lease;
pub(crate) use pool::Pool;
pub(crate) use state::{Discovered, UpstreamState};
pub(crate) use target::request_target;
pub(crate) use tunnel::Tunnel;
