//! How many connections of one upstream are open, over all workers, and who waits for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use route_table::table::Circuit;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Guards share the counter and not the upstream: a WebSocket that lives for days must not keep the
/// health checks of an upstream alive that the table no longer has.
#[derive(Debug, Default)]
pub(crate) struct OpenConnections(Arc<Counter>);

#[derive(Debug, Default)]
struct Counter {
    open: AtomicU32,
    waiting: AtomicU32,
    closed: Notify,
}

impl OpenConnections {
    /// A place for one more connection, counted until it is dropped. When all are taken, waits for one;
    /// `None` when too many wait already, or it takes longer than `patience`.
    pub(super) async fn open(
        &self,
        circuit: Circuit,
        patience: Duration,
    ) -> Option<OpenConnection> {
        if let Some(open) = self.try_open(circuit) {
            return Some(open);
        }
        let waiting = Waiting::join(&self.0, circuit)?;
        let opened = async {
            loop {
                // Asked for before looking: a place that comes free in between is not missed.
                let closed = self.0.closed.notified();
                if let Some(open) = self.try_open(circuit) {
                    return open;
                }
                closed.await;
            }
        };
        let opened = timeout(patience, opened).await.ok();
        drop(waiting);
        opened
    }

    fn try_open(&self, circuit: Circuit) -> Option<OpenConnection> {
        let before = self.0.open.fetch_add(1, Ordering::Relaxed);
        // Made before the comparison, so that its drop takes back what was added.
        let open = OpenConnection(Arc::clone(&self.0));
        (before < circuit.connections).then_some(open)
    }

    /// Whether somebody waits: then an idle connection of one worker stands in another's way.
    pub(super) fn are_waited_for(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn count(&self) -> u32 {
        self.0.open.load(Ordering::Relaxed)
    }
}

/// One open connection, or one being opened.
#[derive(Debug)]
pub(super) struct OpenConnection(Arc<Counter>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        if self.0.waiting.load(Ordering::Relaxed) > 0 {
            self.0.closed.notify_one();
        }
    }
}

/// One request that waits for a connection.
struct Waiting<'w>(&'w Counter);

impl<'w> Waiting<'w> {
    fn join(counter: &'w Counter, circuit: Circuit) -> Option<Self> {
        let before = counter.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Self(counter);
        (before < circuit.pending).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CIRCUIT: Circuit = Circuit {
        connections: 2,
        pending: 1,
        requests: 10,
    };
    const PATIENCE: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_counted_until_it_is_dropped() {
        let connections = OpenConnections::default();
        let one = connections.open(CIRCUIT, PATIENCE).await;
        let other = connections.open(CIRCUIT, PATIENCE).await;
        assert_eq!(connections.count(), 2);
        drop((one, other));
        assert_eq!(connections.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_the_next_that_closes() {
        let connections = OpenConnections::default();
        let one = connections.open(CIRCUIT, PATIENCE).await;
        let _other = connections.open(CIRCUIT, PATIENCE).await;
        let third = connections.open(CIRCUIT, PATIENCE);
        let closing = async {
            tokio::time::sleep(PATIENCE / 2).await;
            assert!(connections.are_waited_for());
            assert!(
                connections.open(CIRCUIT, PATIENCE).await.is_none(),
                "one may wait"
            );
            drop(one);
        };
        let (third, ()) = tokio::join!(third, closing);
        assert!(third.is_some());
        assert_eq!(connections.count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let connections = OpenConnections::default();
        let _one = connections.open(CIRCUIT, PATIENCE).await;
        let _other = connections.open(CIRCUIT, PATIENCE).await;
        assert!(connections.open(CIRCUIT, PATIENCE).await.is_none());
        assert_eq!(connections.count(), 2);
        assert!(!connections.are_waited_for());
    }
}
