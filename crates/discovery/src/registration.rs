//! Keeps one instance registered for as long as it lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::client::{RegistryClient, RegistryError};
use crate::wire::{Lease, Registration, Status};

/// First pause after a failed registration; doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// Longest pause while the registry is away.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Shortest and longest pause between renewals, whatever the registry asks for.
const RENEWAL_MIN: Duration = Duration::from_millis(200);
const RENEWAL_MAX: Duration = Duration::from_secs(100);

/// An instance's own registration: made, renewed, made again when the registry has forgotten it.
///
/// Dropping it stops the renewals; the lease then runs out. [`SelfRegistration::deregister`] is the
/// polite end.
#[derive(Debug)]
pub struct SelfRegistration {
    client: RegistryClient,
    service: String,
    id: String,
    lease: watch::Receiver<Option<Lease>>,
    leaving: Arc<AtomicBool>,
    keeping: AbortOnDropHandle<()>,
}

impl SelfRegistration {
    /// Starts registering. Returns at once: a registry that is away keeps no service from starting.
    #[must_use]
    pub fn start(
        client: RegistryClient,
        service: &str,
        id: &str,
        registration: Registration,
    ) -> Self {
        let (publish, lease) = watch::channel(None);
        let leaving = Arc::new(AtomicBool::new(false));
        let keeper = Keeper {
            client: client.clone(),
            service: service.to_owned(),
            id: id.to_owned(),
            registration,
            publish,
            leaving: Arc::clone(&leaving),
        };
        Self {
            client,
            service: service.to_owned(),
            id: id.to_owned(),
            lease,
            leaving,
            keeping: AbortOnDropHandle::new(tokio::spawn(keeper.keep())),
        }
    }

    /// Waits until the registry has taken the registration.
    pub async fn registered(&mut self) {
        if self.lease.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Tells the registry that this instance wants no new traffic. Failing to is no reason not to stop.
    pub async fn drain(&self) {
        self.leaving.store(true, Ordering::Relaxed);
        let Some(lease) = self.current() else { return };
        tell_draining(&self.client, &self.service, &self.id, &lease).await;
    }

    /// Takes this instance off the list.
    pub async fn deregister(self) {
        let lease = self.current();
        // First, so that it does not take the removal for a loss and registers again.
        self.keeping.abort();
        let Some(lease) = lease else { return };
        if let Err(error) = self
            .client
            .deregister(&self.service, &self.id, &lease)
            .await
        {
            tracing::warn!(service = %self.service, %error, "registry was not told of the end");
        }
    }

    fn current(&self) -> Option<Lease> {
        self.lease.borrow().clone()
    }
}

async fn tell_draining(client: &RegistryClient, service: &str, id: &str, lease: &Lease) {
    if let Err(error) = client
        .set_status(service, id, lease, Status::Draining)
        .await
    {
        tracing::warn!(service, %error, "registry was not told of the drain");
    }
}

/// The task behind a [`SelfRegistration`].
struct Keeper {
    client: RegistryClient,
    service: String,
    id: String,
    registration: Registration,
    publish: watch::Sender<Option<Lease>>,
    leaving: Arc<AtomicBool>,
}

impl Keeper {
    async fn keep(self) {
        // Who is leaving does not come back, whatever the registry has forgotten.
        while !self.leaving.load(Ordering::Relaxed) {
            let lease = self.register().await;
            self.publish.send_replace(Some(lease.clone()));
            // The wish to leave may have come while the registration was on its way.
            if self.leaving.load(Ordering::Relaxed) {
                tell_draining(&self.client, &self.service, &self.id, &lease).await;
            }
            self.renew_while_known(&lease).await;
            self.publish.send_replace(None);
        }
    }

    /// Tries until the registry takes it. Says once that it is away.
    async fn register(&self) -> Lease {
        let mut pause = PAUSE_MIN;
        let mut told = false;
        loop {
            let taken = self
                .client
                .register(&self.service, &self.id, &self.registration)
                .await;
            match taken {
                Ok(lease) => {
                    tracing::info!(service = %self.service, instance = %self.id, "registered");
                    return lease;
                }
                Err(error) if !told => {
                    tracing::warn!(service = %self.service, %error, "not registered yet");
                    told = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Renews until the registry no longer knows the instance. A registry that is away is asked again:
    /// its restart gives every lease a grace.
    ///
    /// If another process has taken the instance's name, the last one to come keeps it: two that took
    /// it from each other would flap for ever. We ask on, and register again once the other is gone.
    async fn renew_while_known(&self, lease: &Lease) {
        let every = Duration::try_from_secs_f64(lease.renew_every_s).unwrap_or(RENEWAL_MIN);
        let every = every.clamp(RENEWAL_MIN, RENEWAL_MAX);
        let mut trouble = Trouble::None;
        loop {
            let jitter = 0.8 + 0.2 * fastrand::f64();
            tokio::time::sleep(every.mul_f64(jitter)).await;
            let renewed = self.client.renew(&self.service, &self.id, lease).await;
            let (service, instance) = (&self.service, &self.id);
            let found = match &renewed {
                Ok(()) => Trouble::None,
                Err(RegistryError::UnknownLease) => {
                    tracing::warn!(%service, %instance, "registry does not know this instance");
                    return;
                }
                Err(RegistryError::AnothersLease) => Trouble::Taken,
                Err(_) => Trouble::Away,
            };
            match (&trouble, &found) {
                (Trouble::None, Trouble::None) => {}
                (old, new) if old == new => {}
                (_, Trouble::None) => tracing::info!(%service, %instance, "lease renewed again"),
                (_, Trouble::Taken) => {
                    tracing::error!(%service, %instance, "another process has taken this name");
                    self.publish.send_replace(None);
                }
                (_, Trouble::Away) => {
                    let error = renewed.err().map(|error| error.to_string());
                    tracing::warn!(%service, %instance, error, "lease not renewed; trying on");
                }
            }
            trouble = found;
        }
    }
}

/// What keeps a lease from being renewed; logged when it changes, not each time.
#[derive(PartialEq)]
enum Trouble {
    None,
    Away,
    Taken,
}
