//! Keeps the control thread's tasks running.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::control::{discovery, dns, health, outliers, upstream_tls};
use crate::routing::Snapshot;
use crate::state::GatewayState;

/// How long a task that panicked stays down before it is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Runs the task that `start` makes, again after a panic. A task that returns has done its work.
pub(crate) fn supervised<F, T>(name: &'static str, mut start: F) -> JoinHandle<()>
where
    F: FnMut() -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        while let Err(error) = tokio::spawn(start()).await {
            if error.is_cancelled() {
                return;
            }
            tracing::error!(task = name, "control task panicked; it is started again");
            tokio::time::sleep(RESTART_PAUSE).await;
        }
    })
}

/// Starts what belongs to a new generation: discovery, lookups, health checks and
/// comparisons for new upstreams. Tasks of
/// what is gone end by themselves: they hold it weakly.
pub(crate) fn start_tasks(
    gateway: &GatewayState,
    previous: Option<&Snapshot>,
    next: &Snapshot,
) -> Vec<discovery::FirstList> {
    next.authenticators.report_to(&gateway.metrics);
    let known = |state: &Arc<_>| {
        previous.is_some_and(|previous| {
            previous
                .upstreams
                .iter()
                .any(|upstream| Arc::ptr_eq(upstream, state))
        })
    };
    let mut first_lists = Vec::new();
    for upstream in next.upstreams.iter().filter(|upstream| !known(upstream)) {
        first_lists.extend(discovery::follow(upstream, gateway));
        first_lists.extend(dns::follow(upstream));
        upstream_tls::follow(upstream);
        health::watch(upstream, gateway);
        outliers::watch(upstream, gateway);
    }
    first_lists
}
