//! Counts what attempts have come to, and takes endpoints out that fail.

use std::fmt::Display;
use std::time::Duration;

use http::StatusCode;

use crate::balance::{self, Endpoint, Instant, Observed};
use crate::state::WorkerState;
use crate::telemetry::AttemptOutcome;
use crate::upstream::UpstreamState;

impl WorkerState {
    /// Counts an answer of `endpoint`, whose head is here `now` and took `latency`.
    pub(super) fn record_answer(
        &self,
        upstream: &UpstreamState,
        endpoint: &Endpoint,
        status: StatusCode,
        latency: Duration,
        now: Instant,
    ) {
        endpoint.latency().observe(latency, status, now);
        self.count_attempt(upstream, endpoint, AttemptOutcome::of(status));
        if endpoint.standing.find(now) {
            let (upstream, endpoint) = (&upstream.config.name, &endpoint.name);
            tracing::info!(%upstream, %endpoint, "endpoint can be reached again");
        }
        self.judge_endpoint(upstream, endpoint, Observed::of(status), now);
    }

    /// Counts that no connection to `endpoint` could be opened.
    pub(super) fn record_unreachable(
        &self,
        upstream: &UpstreamState,
        endpoint: &Endpoint,
        error: &dyn Display,
    ) {
        let now = self.gateway.clock.now();
        if endpoint.standing.lose(|| error.to_string().into(), now) {
            let (upstream, endpoint) = (&upstream.config.name, &endpoint.name);
            tracing::warn!(%upstream, %endpoint, %error, "endpoint cannot be reached");
        }
        self.record_endpoint_failure(upstream, endpoint, AttemptOutcome::ConnectError);
    }

    /// Counts a failure between us and `endpoint`.
    pub(crate) fn record_endpoint_failure(
        &self,
        upstream: &UpstreamState,
        endpoint: &Endpoint,
        outcome: AttemptOutcome,
    ) {
        self.count_attempt(upstream, endpoint, outcome);
        let now = self.gateway.clock.now();
        endpoint.latency().observe_failure(now);
        self.judge_endpoint(upstream, endpoint, Observed::LocalFailure, now);
    }

    /// Counts an attempt that says nothing of its endpoint.
    pub(super) fn count_attempt(
        &self,
        upstream: &UpstreamState,
        endpoint: &Endpoint,
        outcome: AttemptOutcome,
    ) {
        let (metrics, name) = (&self.gateway.metrics, &upstream.config.name);
        metrics.count_attempt(name, endpoint.id, &endpoint.name, outcome);
    }

    fn judge_endpoint(
        &self,
        upstream: &UpstreamState,
        endpoint: &Endpoint,
        observed: Observed,
        now: Instant,
    ) {
        let (set, rules) = (upstream.endpoints(), &upstream.config.outlier);
        if let Some(reason) = balance::record(endpoint, &set, rules, observed, now) {
            let (upstream, endpoint) = (&upstream.config.name, &endpoint.name);
            self.gateway.metrics.count_ejection(upstream, reason);
            let reason = reason.as_str();
            tracing::warn!(%upstream, %endpoint, reason, "endpoint ejected");
        }
    }
}
