//! The task that clears up behind requests, again and again, and survives its own failures.

use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use crate::placement::Orders;

/// Sweeps at once, then every `period` and whenever there is stock to give back, until the service
/// that holds `orders` is gone.
pub(crate) fn start(orders: &Arc<Orders>, period: Duration) {
    let release_due = Arc::clone(&orders.release_due);
    let orders = Arc::downgrade(orders);
    tokio::spawn(async move {
        while round(&orders).await {
            // Either way the next round is due.
            let _ = timeout(period, release_due.notified()).await;
        }
    });
}

/// One round in a task of its own, so that a panic ends the round and not the sweep. `false` when
/// there is nothing left to sweep for.
async fn round(orders: &Weak<Orders>) -> bool {
    let Some(orders) = orders.upgrade() else {
        return false;
    };
    match tokio::spawn(async move { orders.sweep(Timestamp::now()).await }).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the sweep failed; the next round tries again"),
        Err(error) => tracing::error!(%error, "the sweep panicked; the next round tries again"),
    }
    true
}
