//! What the gateway tells of itself: metrics and the access log.
//!
//! **Architecture invariant:** a request never waits for telemetry. Metrics are atomics behind handles
//! that a thread looks up once; access-log lines go to a buffer in memory and from there, in batches,
//! to a writer thread. When that can't keep up, lines are dropped and counted.
//!
//! Neighbour: structured logs of events (not of requests) go through `tracing`.

mod labels;
mod duration_histogram;
mod handles;
mod answer_families;
mod auth_families;
mod families;
mod match_values;
mod metrics;
mod json;
mod access_record;
mod access_log;

#[cfg(test)]
mod exposition;

pub(crate) use access_log::AccessLog;
pub(crate) use access_record::AccessRecord;
pub(crate) use match_values::MatchValues;
pub(crate) use metrics::{
    AttemptOutcome, CompressionGuard, ConnectionGuard, Metrics, RequestRecord,
};
