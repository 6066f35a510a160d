//! Waiting for a service's list to change: long polls and event streams.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::Event;
use chassis::Stopping;
use discovery::ServiceView;
use futures_util::Stream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::state::Registry;

/// One client that waits for the changes of one service.
#[derive(Debug)]
pub(crate) struct Watcher {
    registry: Arc<Registry>,
    changes: watch::Receiver<u64>,
    stopping: Stopping,
    service: String,
    /// What the client knows.
    index: u64,
    _permit: OwnedSemaphorePermit,
}

impl Watcher {
    /// `None` when as many wait as may.
    pub(crate) fn new(
        registry: Arc<Registry>,
        stopping: Stopping,
        service: String,
        index: u64,
    ) -> Option<Self> {
        let permit = Arc::clone(&registry.watchers).try_acquire_owned().ok()?;
        Some(Self {
            changes: registry.changes(),
            registry,
            stopping,
            service,
            index,
            _permit: permit,
        })
    }

    /// The list as soon as it has changed, or as it is after `wait`. A registry that is stopping
    /// answers at once, so that it need not wait for those who wait.
    pub(crate) async fn poll(mut self, wait: Duration) -> ServiceView {
        let stopping = self.stopping.clone();
        tokio::select! {
            changed = tokio::time::timeout(wait, self.next()) => {
                changed.unwrap_or_else(|_| self.registry.read(|it| it.view(&self.service)))
            }
            () = stopping.begun() => self.registry.read(|it| it.view(&self.service)),
        }
    }

    /// An event for each change until the registry stops, the list as it is now first if the
    /// client does not know it.
    pub(crate) fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        futures_util::stream::unfold(self, |mut watcher| async move {
            let stopping = watcher.stopping.clone();
            let view = tokio::select! {
                view = watcher.next() => view,
                () = stopping.begun() => return None,
            };
            let event = Event::default()
                .event("instances")
                .id(view.index.to_string());
            // Strings and numbers always have a JSON form.
            let event = event.json_data(&view).ok()?;
            Some((Ok(event), watcher))
        })
    }

    /// The next list that differs from what the client knows.
    async fn next(&mut self) -> ServiceView {
        loop {
            self.changes.mark_unchanged();
            let news = self.registry.read(|directory| {
                directory
                    .has_changed_since(&self.service, self.index)
                    .then(|| directory.view(&self.service))
            });
            if let Some(view) = news {
                self.index = view.index;
                return view;
            }
            if self.changes.changed().await.is_err() {
                // We hold the registry, and it holds the sender.
                std::future::pending::<()>().await;
            }
        }
    }
}
