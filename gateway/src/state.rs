//! What outlives a request: the gateway's state, shared by all threads, and a worker's own.
//!
//! **Architecture invariant:** workers share only atomics and read-mostly snapshots; nothing here is
//! a lock that a request could wait for.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::balance::Instant;
use crate::cache::Cache;
use crate::extend::Extensions;
use crate::mirror::Mirrors;
use crate::routing::Snapshot;
use crate::telemetry::{AccessLog, Metrics};
use crate::upstream::{Pool, Timers};

/// Shared by all workers and the control thread.
#[derive(Debug)]
pub(crate) struct GatewayState {
    /// The configuration generation that new requests read.
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) metrics: Metrics,
    pub(crate) access_log: AccessLog,
    pub(crate) mirrors: Mirrors,
    /// Answers of routes that say `cache:`. It outlives tables: its keys name what they depend on.
    pub(crate) cache: Cache,
    pub(crate) clock: Clock,
    /// Layers of a gateway that was built with some.
    pub(crate) extensions: Extensions,
    pub(crate) phase: watch::Sender<Phase>,
    /// Cancelled when workers are to finish: no new connections, and those open are told that they end.
    pub(crate) draining: CancellationToken,
}

/// How far the process is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Sockets are open, but not every task has reported for work.
    Starting,
    Serving,
    /// Not ready any more, still serving: load balancers are given time to notice.
    Leaving,
    /// No new connections; those open finish what they are doing.
    Draining,
}

/// Completes when requests can be served.
pub(crate) async fn serving(phase: &mut watch::Receiver<Phase>) {
    // An error says that the gateway's state is gone: there is nothing to wait for.
    drop(phase.wait_for(|phase| *phase >= Phase::Serving).await);
}

/// One worker thread's own state.
#[derive(Debug)]
pub(crate) struct WorkerState {
    pub(crate) gateway: Arc<GatewayState>,
    pub(crate) pool: Pool,
    pub(crate) timers: Timers,
    /// Its open client connections, so that a drain can wait for them.
    pub(crate) connections: TaskTracker,
}

/// The process's monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: std::time::Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            started: std::time::Instant::now(),
        }
    }

    /// Time since the process started; never zero, which means "never" where instants are stored.
    pub(crate) fn now(self) -> Instant {
        Instant(0)
            .after(self.started.elapsed())
            .after(std::time::Duration::from_nanos(1))
    }
}
