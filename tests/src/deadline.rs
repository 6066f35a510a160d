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
