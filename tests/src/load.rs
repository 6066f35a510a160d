//! Requests at a steady rate: each is sent at its time, whether or not earlier ones were answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

use crate::deadline::{PATIENCE, eventually};

/// What became of one request.
#[derive(Debug, Clone)]
pub struct Shot {
    pub started: Instant,
    pub finished: Instant,
    /// Status and `X-Served-By`, after the whole body was read.
    pub outcome: Result<(u16, String), String>,
}

/// A load that is running.
#[derive(Debug)]
pub struct Load {
    stop: Arc<Notify>,
    answered: Arc<AtomicUsize>,
    task: JoinHandle<Vec<Shot>>,
}

impl Load {
    /// Starts sending `per_second` requests a second, each built anew.
    pub fn start(per_second: u32, request: impl Fn() -> RequestBuilder + Send + 'static) -> Self {
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let answered = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&answered);
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
            let mut shots = JoinSet::new();
            loop {
                tokio::select! {
                    _ = ticks.tick() => { shots.spawn(shoot(request(), Arc::clone(&counter))); }
                    () = stopped.notified() => break,
                }
            }
            shots.join_all().await
        });
        Self {
            stop,
            answered,
            task,
        }
    }

    /// Waits until `count` more requests have had their answer, well or ill.
    pub async fn answers(&self, count: usize) {
        let goal = self.answered.load(Ordering::Relaxed) + count;
        let what = format!("{count} more answers");
        eventually(&what, PATIENCE, async || {
            (self.answered.load(Ordering::Relaxed) >= goal).then_some(())
        })
        .await;
    }

    /// Stops sending, waits for the last answers and returns all, in order of their start.
    ///
    /// # Panics
    /// When the sending task has panicked.
    pub async fn finish(self) -> Vec<Shot> {
        self.stop.notify_one();
        let mut shots = self.task.await.unwrap();
        shots.sort_by_key(|shot| shot.started);
        shots
    }
}

async fn shoot(request: RequestBuilder, answered: Arc<AtomicUsize>) -> Shot {
    let started = Instant::now();
    let outcome = async {
        let response = request.send().await.map_err(|error| format!("{error:?}"))?;
        let status = response.status().as_u16();
        let served_by = response.headers().get("x-served-by");
        let served_by = served_by
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let served_by = served_by.to_owned();
        response
            .bytes()
            .await
            .map_err(|error| format!("{status}: {error:?}"))?;
        Ok((status, served_by))
    };
    let outcome = outcome.await;
    answered.fetch_add(1, Ordering::Relaxed);
    Shot {
        started,
        finished: Instant::now(),
        outcome,
    }
}

/// Expects every request to have been answered with this status.
///
/// # Panics
/// When one was not, with the first few of those.
#[track_caller]
pub fn assert_all(shots: &[Shot], status: u16) {
    let failed: Vec<_> = shots
        .iter()
        .filter(|shot| !matches!(&shot.outcome, Ok((found, _)) if *found == status))
        .collect();
    let first: Vec<_> = failed.iter().take(5).map(|shot| &shot.outcome).collect();
    assert!(
        failed.is_empty(),
        "{} of {} failed: {first:?}",
        failed.len(),
        shots.len()
    );
}
