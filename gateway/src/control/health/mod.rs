//! Active health checks: asks endpoints how they are, on the upstream's schedule.
//!
//! [`schedule`] is when, [`check`] is what is asked and what counts as well, [`grpc`] the one call of
//! gRPC among it, and [`streak`] how often in a row makes a verdict.

mod schedule;
mod check;
mod grpc;
mod streak;

pub(super) use schedule::watch;
