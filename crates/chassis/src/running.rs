//! A service at work, and its orderly end.

use std::net::SocketAddr;
use std::time::Duration;

use axum::{Extension, Router};
use discovery::SelfRegistration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::health::Readiness;
use crate::listen;
use crate::stopping::Stopping;

/// How long requests in flight may take once the service is stopping.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long callers get to notice that this instance is leaving.
const PROPAGATION: Duration = Duration::from_millis(200);

/// A service that serves. Dropping it stops it at once; [`Running::shutdown`] is the orderly way.
#[derive(Debug)]
pub struct Running {
    /// Where it listens, with the real port.
    pub addr: SocketAddr,
    name: &'static str,
    supervised: bool,
    readiness: Readiness,
    registration: Option<SelfRegistration>,
    stopping: Stopping,
    serving: JoinHandle<()>,
}

impl Running {
    pub(crate) fn serve(
        name: &'static str,
        listener: TcpListener,
        router: Router,
        readiness: Readiness,
        supervised: bool,
    ) -> std::io::Result<Self> {
        let addr = listener.local_addr()?;
        let stopping = Stopping::default();
        let begun = stopping.clone();
        let router = router.layer(Extension(stopping.clone()));
        let serving = tokio::spawn(listen::serve(listener, router, begun));
        Ok(Self {
            addr,
            name,
            supervised,
            readiness,
            registration: None,
            stopping,
            serving,
        })
    }

    pub(crate) fn registered(mut self, registration: SelfRegistration) -> Self {
        self.registration = Some(registration);
        self
    }

    /// Base URL to call it by.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Serves until the process is asked to stop, then drains. Who asks again, by a signal, is in a
    /// hurry: then it ends at once.
    pub async fn until_stopped(self) {
        let name = self.name;
        let reason = shutdown::requested(self.supervised).await;
        tracing::info!(service = name, ?reason, "stopping");
        tokio::select! {
            () = self.shutdown() => {}
            reason = shutdown::requested(false) => {
                tracing::warn!(service = name, ?reason, "asked again; stopped without draining");
            }
        }
    }

    /// Drains now: the registry is told first, then no connection is accepted, then requests in flight
    /// finish, then the registration goes.
    pub async fn shutdown(mut self) {
        self.readiness.drain();
        if let Some(registration) = &self.registration {
            registration.drain().await;
            tokio::time::sleep(PROPAGATION).await;
        }
        self.stopping.begin();
        let drained = tokio::time::timeout(DRAIN_TIMEOUT, &mut self.serving).await;
        if drained.is_err() {
            tracing::warn!(
                service = self.name,
                "requests cut off at the end of the drain"
            );
            self.serving.abort();
        }
        if let Some(registration) = self.registration.take() {
            registration.deregister().await;
        }
        tracing::info!(service = self.name, "stopped");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopping.begin();
        self.serving.abort();
    }
}
