//! Ends the process without losing a request.

use std::time::Duration;

use crate::lifecycle::Listeners;
use crate::state::{GatewayState, Phase};

/// First not ready, still serving; then no new connections. Returns when workers have been told to
/// finish; they do so by themselves.
pub(crate) async fn drain(gateway: &GatewayState, listeners: &Listeners, delay: Duration) {
    gateway.phase.send_replace(Phase::Leaving);
    tracing::info!(
        delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
        "leaving"
    );
    tokio::time::sleep(delay).await;
    close(gateway, listeners);
}

/// Tells the workers to finish: no new connections, and those open are told that they end.
pub(crate) fn close(gateway: &GatewayState, listeners: &Listeners) {
    gateway.phase.send_replace(Phase::Draining);
    listeners.close_all();
    tracing::info!("draining");
}
