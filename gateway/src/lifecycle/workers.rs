//! The data plane's threads: one a worker, each with its own runtime, sockets and upstream connections.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::defaults::DRAIN_TIMEOUT;
use crate::lifecycle::listeners::{Listeners, OpenAddress};
use crate::listener::{accept_until_closed, share};
use crate::pipeline::Pipeline;
use crate::state::{GatewayState, WorkerState};
use crate::upstream::{Pool, Timers};

/// How often a worker puts its own house in order.
const WORKER_TICK: Duration = Duration::from_millis(100);

/// Starts the threads. They end by themselves when the process drains.
///
/// # Errors
/// When the system has no thread left.
pub(crate) fn start_workers(
    gateway: &Arc<GatewayState>,
    listeners: &Listeners,
) -> io::Result<Vec<JoinHandle<()>>> {
    (0..listeners.workers())
        .map(|index| {
            let worker = Worker {
                state: Arc::new(WorkerState {
                    gateway: Arc::clone(gateway),
                    pool: Pool::default(),
                    timers: Timers::default(),
                    connections: TaskTracker::new(),
                }),
                index,
                workers: listeners.workers(),
                accepting: TaskTracker::new(),
            };
            let open = listeners.subscribe();
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            thread.spawn(move || runtime.block_on(worker.work(open)))
        })
        .collect()
}

/// One thread's own.
struct Worker {
    state: Arc<WorkerState>,
    index: usize,
    workers: usize,
    /// A task a socket.
    accepting: TaskTracker,
}

impl Worker {
    /// A worker's whole life.
    async fn work(self, mut open: watch::Receiver<Vec<Arc<OpenAddress>>>) {
        let housekeeping = tokio::spawn(keep_house(Arc::clone(&self.state)));
        let draining = self.state.gateway.draining.clone();
        let mut known = HashSet::new();
        loop {
            known = {
                let open = open.borrow_and_update();
                let fresh = open.iter().filter(|address| !known.contains(&address.id));
                fresh.for_each(|address| self.accept_from(address));
                open.iter().map(|address| address.id).collect()
            };
            tokio::select! {
                changed = open.changed() => if changed.is_err() { break },
                () = draining.cancelled() => break,
            }
        }
        self.finish().await;
        housekeeping.abort();
        self.state.gateway.access_log.flush();
    }

    /// Starts to accept from this worker's share of an address.
    fn accept_from(&self, address: &OpenAddress) {
        for socket in share(&address.sockets, self.index, self.workers) {
            // The original stays where it is: it may be handed over to a successor.
            match socket.try_clone().and_then(TcpListener::from_std) {
                Ok(socket) => drop(self.accepting.spawn(accept_until_closed(
                    socket,
                    Arc::clone(&address.acceptor),
                    address.closing.clone(),
                    Pipeline {
                        worker: Arc::clone(&self.state),
                    },
                ))),
                Err(error) => tracing::error!(%error, "worker cannot use its socket"),
            }
        }
    }

    /// Takes what is left in the queues and waits for the connections to finish.
    async fn finish(&self) {
        self.accepting.close();
        self.accepting.wait().await;
        let connections = &self.state.connections;
        connections.close();
        // A connection counts the same time for itself; this is for what has left HTTP.
        let limit = DRAIN_TIMEOUT + WORKER_TICK;
        if tokio::time::timeout(limit, connections.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                open = connections.len(),
                "connections cut off at the end of the drain"
            );
        }
    }
}

/// What a worker does beside requests: closes upstream connections that nobody needs, hands over log
/// lines.
async fn keep_house(worker: Arc<WorkerState>) {
    let mut ticks = tokio::time::interval(WORKER_TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        worker.pool.sweep(worker.gateway.clock.now());
        worker.gateway.access_log.flush();
    }
}
