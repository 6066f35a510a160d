//! When endpoints are asked.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use futures_util::StreamExt as _;
use futures_util::stream;
use route_table::table::HealthCheck;
use tokio::time::MissedTickBehavior;

use crate::balance::Endpoint;
use crate::control::health::check::{CheckFailed, ask};
use crate::control::health::streak::Streak;
use crate::control::supervised;
use crate::defaults::HEALTH_CHECKS_MAX;
use crate::state::{Clock, GatewayState};
use crate::telemetry::Metrics;
use crate::upstream::{Probe, UpstreamState};

/// Starts checking an upstream that asks for it.
pub(in crate::control) fn watch(upstream: &Arc<UpstreamState>, gateway: &GatewayState) {
    let Some(check) = upstream.config.health.clone() else {
        return;
    };
    let weak = Arc::downgrade(upstream);
    let (metrics, clock) = (gateway.metrics.clone(), gateway.clock);
    drop(supervised("health", move || {
        let watcher = Watcher {
            check: check.clone(),
            metrics: metrics.clone(),
            clock,
            known: HashMap::new(),
        };
        watcher.check_regularly(Weak::clone(&weak))
    }));
}

/// One upstream's checks.
struct Watcher {
    check: HealthCheck,
    metrics: Metrics,
    clock: Clock,
    /// By the endpoint's id.
    known: HashMap<u64, Known>,
}

/// What earlier checks of an endpoint have shown.
#[derive(Debug, Default)]
struct Known {
    streak: Streak,
    was_ejected: bool,
}

impl Watcher {
    async fn check_regularly(mut self, upstream: Weak<UpstreamState>) {
        // Gateways that were started by one hand must not ask in step.
        tokio::time::sleep(self.check.interval.mul_f64(fastrand::f64())).await;
        let mut ticks = tokio::time::interval(self.check.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(upstream) = upstream.upgrade() else {
                return;
            };
            self.check_all(&upstream).await;
        }
    }

    async fn check_all(&mut self, upstream: &UpstreamState) {
        let set = Arc::clone(&upstream.endpoints());
        self.known
            .retain(|id, _| set.iter().any(|endpoint| endpoint.id == *id));
        let check = self.check.clone();
        let checks: Vec<_> = set
            .iter()
            .map(|endpoint| check_one(upstream, Arc::clone(endpoint), &check, self.clock))
            .collect();
        // Bounded, and each judged as it comes: one that hangs holds up nobody's verdict.
        let mut outcomes = stream::iter(checks).buffer_unordered(HEALTH_CHECKS_MAX);
        while let Some((endpoint, outcome)) = outcomes.next().await {
            self.judge(upstream, &endpoint, outcome);
        }
    }

    fn judge(
        &mut self,
        upstream: &UpstreamState,
        endpoint: &Endpoint,
        outcome: Result<(), CheckFailed>,
    ) {
        let now = self.clock.now();
        let name = &upstream.config.name;
        self.metrics.count_health_check(name, outcome.is_ok());
        let known = self.known.entry(endpoint.id).or_default();
        let is_ejected = endpoint.standing.is_ejected(now);
        if is_ejected && !known.was_ejected {
            // What it showed before it failed requests is no argument for taking it back.
            known.streak = Streak::default();
        }
        known.was_ejected = is_ejected;
        if !known.streak.add(outcome.is_ok(), &self.check) {
            return;
        }
        let verdict = outcome.map_err(|reason| Arc::from(reason.to_string()));
        let reason = verdict.as_ref().err().map(Arc::clone);
        if endpoint.standing.set_health(verdict, now) {
            let endpoint = &endpoint.name;
            match reason {
                None => tracing::info!(upstream = %name, %endpoint, "endpoint is healthy again"),
                Some(reason) => {
                    tracing::warn!(upstream = %name, %endpoint, %reason, "endpoint is unhealthy");
                }
            }
        }
    }
}

async fn check_one(
    upstream: &UpstreamState,
    endpoint: Arc<Endpoint>,
    check: &HealthCheck,
    clock: Clock,
) -> (Arc<Endpoint>, Result<(), CheckFailed>) {
    let probe = Probe {
        upstream,
        endpoint: &endpoint,
        clock,
    };
    let outcome = ask(probe, check).await;
    (endpoint, outcome)
}
