//! A service's instances, always at hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::client::RegistryClient;
use crate::wire::{Instance, Status};

/// How long one long poll waits for a change.
const POLL: Duration = Duration::from_secs(30);

/// First pause after a failed call; doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// Longest pause while the registry is away.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Follows one service. Cheap to clone; following ends with the last clone.
///
/// While the registry is away, or gives garbage, the last good list stays.
#[derive(Debug, Clone)]
pub struct Watch {
    instances: watch::Receiver<Arc<[Instance]>>,
    turn: Arc<AtomicUsize>,
    _task: Arc<AbortOnDropHandle<()>>,
}

impl Watch {
    /// Starts following `service`. Must be called inside a tokio runtime.
    #[must_use]
    pub fn start(client: RegistryClient, service: &str) -> Self {
        let (publish, instances) = watch::channel(Arc::from([]));
        let task = tokio::spawn(follow(client, service.to_owned(), publish));
        Self {
            instances,
            turn: Arc::new(AtomicUsize::new(0)),
            _task: Arc::new(AbortOnDropHandle::new(task)),
        }
    }

    /// The current list; empty until the registry has answered for the first time.
    #[must_use]
    pub fn instances(&self) -> Arc<[Instance]> {
        Arc::clone(&self.instances.borrow())
    }

    /// Waits for the next list, the first one included.
    pub async fn changed(&mut self) {
        if self.instances.changed().await.is_err() {
            // The task only ends when it panics; there will be no news.
            std::future::pending::<()>().await;
        }
    }

    /// Picks the next instance: round robin over those that are up, else over those that may be, else
    /// over those that are leaving. Never one that says it is down.
    #[must_use]
    pub fn pick(&self) -> Option<Instance> {
        let instances = self.instances();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        [Status::Up, Status::Suspect, Status::Draining]
            .into_iter()
            .find_map(|status| {
                let fitting = || {
                    instances
                        .iter()
                        .filter(|instance| instance.status == status)
                };
                let index = turn.checked_rem(fitting().count())?;
                fitting().nth(index).cloned()
            })
    }
}

/// Polls for ever. Says once when the registry goes away and once when it is back.
async fn follow(client: RegistryClient, service: String, publish: watch::Sender<Arc<[Instance]>>) {
    let mut index = 0;
    let mut pause = PAUSE_MIN;
    let mut away = false;
    let mut first = true;
    loop {
        let asked = Instant::now();
        match client.instances(&service, index, POLL).await {
            Ok(view) => {
                if away {
                    tracing::info!(%service, "registry is back");
                }
                (away, pause) = (false, PAUSE_MIN);
                let news = publish_if_new(&publish, view.instances, std::mem::take(&mut first));
                // A registry that was restarted may count from a lower number: its word is taken too.
                index = view.index;
                // One that answers at once without news, or counts nothing, must not be asked in a loop.
                if !news || index == 0 {
                    tokio::time::sleep(PAUSE_MIN.saturating_sub(asked.elapsed())).await;
                }
            }
            Err(error) => {
                if !away {
                    tracing::warn!(%service, %error, "registry is away; the last list serves on");
                    away = true;
                }
                // Jitter, so that clients do not come back all at once.
                tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// The first answer is news even when it is empty: it says that nobody is there.
fn publish_if_new(
    publish: &watch::Sender<Arc<[Instance]>>,
    instances: Vec<Instance>,
    first: bool,
) -> bool {
    publish.send_if_modified(|current| {
        let is_new = first || **current != *instances;
        if is_new {
            *current = instances.into();
        }
        is_new
    })
}
