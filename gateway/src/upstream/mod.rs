//! From a chosen upstream to the head of its answer.
//!
//! [`state`] is an upstream with its current endpoints, [`target`] the path that it sees. [`forward`] is
//! the loop over attempts, with [`backoff`] between them, [`retry_budget`] to bound them and [`circuit`] to
//! bound what is under way; [`deadline`] ends it in time, [`attempt`] sends a request once, [`once`] one whose answer nobody waits for.
//!
//! Below an attempt: [`acquire`] gets it a [`connection`], [`http1`] or [`http2`], from the worker's
//! [`pool`] or by [`connect`], which uses [`names`], [`happy_eyeballs`] and [`tls`] and ends in a
//! [`transport`], counted by [`open_connections`]. [`interim`] bounds 1xx, [`early_answer`] hears an
//! endpoint out that stops reading, [`fault`] says what went wrong, [`unusable`] which answers are not
//! passed on, [`complaints`] tells the operator what will not pass by itself, [`lease`] is a connection while its answer is read, and [`tunnel`]
//! carries bytes once both sides have left HTTP. [`probe`] is the same way for health checks.

mod state;
mod target;
mod forward;
mod backoff;
mod retry_budget;
mod circuit;
mod affinity;
mod deadline;
mod attempt;
mod once;
mod ask;
mod record;
mod acquire;
mod connection;
mod http1;
mod http2;
mod pool;
mod connect;
mod names;
mod happy_eyeballs;
mod tls;
mod transport;
mod open_connections;
mod interim;
mod early_answer;
mod fault;
mod unusable;
mod complaints;
mod lease;
mod tunnel;
mod probe;

pub(crate) use affinity::Affinity;
pub(crate) use ask::{Asking, Unanswered, ask};
pub(crate) use deadline::{Timers, X_REQUEST_DEADLINE_MS, tell_deadline, within};
pub(crate) use forward::{Forward, forward, set_traceparent};
pub(crate) use lease::Lease;
pub(crate) use names::Answer;
pub(crate) use once::{Once, own_request, send_once};
pub(crate) use pool::Pool;
pub(crate) use probe::{Probe, ProbeError};
pub(crate) use state::{Discovered, UpstreamState};
pub(crate) use target::request_target;
pub(crate) use tls::ClientTls;
pub(crate) use tunnel::Tunnel;
