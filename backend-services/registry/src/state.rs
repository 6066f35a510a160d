//! The directory at work: behind one lock, watched, and saved.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use crate::clock::{Clock, Moment};
use crate::domain::{Directory, Key};
use crate::limits::WATCHERS_MAX;
use crate::store::{Saved, Store};

/// How long a request waits for its change to reach the disk.
const SAVE_PATIENCE: Duration = Duration::from_secs(1);

/// What handlers and upkeep share.
#[derive(Debug)]
pub(crate) struct Registry {
    directory: Mutex<Directory>,
    clock: Clock,
    store: Store,
    /// Taken while saving, so that writes reach the disk in their order.
    saver: tokio::sync::Mutex<Saver>,
    /// Index of the last change: what long polls and event streams wait on.
    changes: watch::Sender<u64>,
    /// A permit for each request that waits.
    pub(crate) watchers: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Saver {
    failing: bool,
}

impl Registry {
    /// Takes up where the last process stopped.
    pub(crate) async fn open(store: Store, clock: Clock) -> Result<Arc<Self>, sqlx::Error> {
        let Saved { index, records } = store.load().await?;
        let mut directory = Directory::new(first_index(index));
        directory.restore(clock.now(), records);
        Ok(Arc::new(Self {
            changes: watch::Sender::new(directory.index()),
            directory: Mutex::new(directory),
            clock,
            store,
            saver: tokio::sync::Mutex::default(),
            watchers: Arc::new(Semaphore::new(WATCHERS_MAX)),
        }))
    }

    /// The present, by the clock that measures leases.
    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Looks at the directory.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Directory) -> T) -> T {
        look(&self.directory.lock())
    }

    /// Changes the directory and wakes those who wait for a change, if there was a visible one.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Directory, Moment) -> T) -> T {
        let now = self.now();
        let mut directory = self.directory.lock();
        let outcome = change(&mut directory, now);
        let index = directory.index();
        drop(directory);
        self.changes.send_if_modified(|known| {
            // Of two changes at once, the later may be announced first.
            let is_news = index > *known;
            *known = index.max(*known);
            is_news
        });
        outcome
    }

    /// Tells of every change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until what has changed is on disk, or for a second: a disk that hangs must keep nobody
    /// from registering. The write goes on by itself, also when the request is given up.
    pub(crate) async fn saved(self: &Arc<Self>) {
        let registry = Arc::clone(self);
        let saving = tokio::spawn(async move { registry.save().await });
        if tokio::time::timeout(SAVE_PATIENCE, saving).await.is_err() {
            tracing::debug!("answered before the change was saved");
        }
    }

    /// Writes what has changed since the last time. A failure is logged once and made up for
    /// later: that the registry goes on matters more than what it would know after a restart.
    pub(crate) async fn save(&self) {
        let mut saver = self.saver.lock().await;
        let (index, changes) = {
            let mut directory = self.directory.lock();
            (directory.index(), directory.take_unsaved())
        };
        if changes.is_empty() {
            return;
        }
        match self.store.save(index, &changes).await {
            Ok(()) if saver.failing => {
                saver.failing = false;
                tracing::info!("changes are saved again");
            }
            Ok(()) => {}
            Err(error) => {
                let keys: Vec<Key> = changes.into_iter().map(|(key, _)| key).collect();
                self.directory.lock().still_unsaved(keys);
                if !saver.failing {
                    saver.failing = true;
                    tracing::error!(%error, "changes can't be saved; trying again");
                }
            }
        }
    }
}

/// Above every index that a client may have seen, even if the last ones, or the whole file, were
/// lost: fewer changes than one a millisecond keep the count behind the time.
fn first_index(saved: u64) -> u64 {
    let now_ms = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default();
    now_ms.max(saved + 1)
}
