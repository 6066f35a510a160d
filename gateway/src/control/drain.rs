//! Ends the process without losing a request.

use std::time::Duration;

use crate::state::{GatewayState, Phase};

/// First not ready, still serving; then no new connections. Returns when workers have been told to
/// finish; they do so by themselves.
pub(crate) async fn drain(gateway: &GatewayState, delay: Duration) {
    gateway.phase.send_replace(Phase::Leaving);
    tracing::info!(
        delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
        "leaving"
    );
    tokio::time::sleep(delay).await;
    gateway.phase.send_replace(Phase::Draining);
    tracing::info!("draining");
}
