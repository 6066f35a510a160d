//! Compares endpoints with each other at regular times, and takes those out that fail much more often.

use std::sync::{Arc, Weak};
use std::time::Duration;

use route_table::table::SuccessRate;
use tokio::time::MissedTickBehavior;

use crate::balance::{self, EjectionReason};
use crate::control::supervised;
use crate::state::{Clock, GatewayState};
use crate::telemetry::Metrics;
use crate::upstream::UpstreamState;

/// How often a task looks whether its upstream is still in the table.
const STILL_WANTED: Duration = Duration::from_secs(5);

/// Starts comparing the endpoints of an upstream, unless its row says not to.
pub(super) fn watch(upstream: &Arc<UpstreamState>, gateway: &GatewayState) {
    let Some(comparison) = upstream.config.outlier.success_rate else {
        return;
    };
    let weak = Arc::downgrade(upstream);
    let (metrics, clock) = (gateway.metrics.clone(), gateway.clock);
    drop(supervised("outliers", move || {
        compare_regularly(Weak::clone(&weak), comparison, metrics.clone(), clock)
    }));
}

async fn compare_regularly(
    upstream: Weak<UpstreamState>,
    comparison: SuccessRate,
    metrics: Metrics,
    clock: Clock,
) {
    let mut looks = tokio::time::interval(comparison.interval.min(STILL_WANTED));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = clock.now();
    loop {
        looks.tick().await;
        let Some(upstream) = upstream.upgrade() else {
            return;
        };
        let now = clock.now();
        if now.since(last) < comparison.interval {
            continue;
        }
        last = now;
        let (name, rules) = (&upstream.config.name, &upstream.config.outlier);
        for far in balance::compare(&upstream.endpoints(), rules, comparison, now) {
            metrics.count_ejection(name, EjectionReason::SuccessRate);
            tracing::warn!(
                upstream = %name,
                endpoint = %far.endpoint.name,
                reason = EjectionReason::SuccessRate.as_str(),
                rate = far.rate,
                threshold = far.threshold,
                "endpoint ejected"
            );
        }
    }
}
