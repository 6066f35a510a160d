//! One lifetime for all services of a process: they start in order and end together.

use std::pin::pin;

use chassis::Running;

use crate::service::ServiceCommand;

/// Starts the services and serves until the process is asked to stop; then all of them drain. A
/// second request, from a person in a hurry, ends the draining.
///
/// # Errors
/// One of them cannot start; those that have started are stopped again.
pub(crate) async fn run(services: Vec<ServiceCommand>) -> anyhow::Result<()> {
    let supervised = services.iter().any(|service| service.settings().supervised);
    // One listener for the whole time: a signal between two of them would be lost.
    let mut requested = pin!(shutdown::requested(supervised));
    let running = tokio::select! {
        biased;
        reason = &mut requested => {
            tracing::info!(?reason, "stopped while starting");
            return Ok(());
        }
        started = start(services) => started?,
    };
    let reason = requested.await;
    tracing::info!(?reason, "stopping");
    tokio::select! {
        () = stop(running) => {}
        // Not of the launcher, which is gone but once.
        reason = shutdown::requested(false) => tracing::warn!(?reason, "stopping at once"),
    }
    Ok(())
}

/// Starts all, or none.
async fn start(services: Vec<ServiceCommand>) -> anyhow::Result<Vec<Running>> {
    let mut running = Vec::with_capacity(services.len());
    for service in services {
        match service.start().await {
            Ok(started) => running.push(started),
            Err(error) => {
                stop(running).await;
                return Err(error);
            }
        }
    }
    Ok(running)
}

/// Stops all, the last first: who calls goes before who is called, and the registry, which all
/// sign off from, goes last.
async fn stop(running: Vec<Running>) {
    for service in running.into_iter().rev() {
        service.shutdown().await;
    }
}
