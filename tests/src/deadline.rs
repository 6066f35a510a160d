//! Waiting, never for ever.

use std::time::{Duration, Instant};

/// How long a test waits for something that should happen at once; generous, since tests share a
/// machine with other tests.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How often [`eventually`] looks.
const POLL: Duration = Duration::from_millis(20);

/// Looks again and again until there is something to see.
///
/// # Panics
/// After `deadline`, naming `what` was waited for.
pub async fn eventually<T>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            started.elapsed() < deadline,
            "waited {deadline:?} in vain for {what}"
        );
        tokio::time::sleep(POLL).await;
    }
}

/// Waits for a future.
///
/// # Panics
/// After `deadline`, naming `what` was waited for.
pub async fn within<F: Future>(what: &str, deadline: Duration, future: F) -> F::Output {
    match tokio::time::timeout(deadline, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {deadline:?} in vain for {what}"),
    }
}

/// Expects things to have been done within `limit`, by their median: a machine that runs many tests may
/// hold up one of them, not most.
///
/// # Panics
/// When the median took longer.
#[track_caller]
pub fn assert_prompt(what: &str, mut took: Vec<Duration>, limit: Duration) {
    took.sort_unstable();
    let median = took[took.len() / 2];
    assert!(median <= limit, "{what} took {took:?}");
}
