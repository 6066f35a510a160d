//! The time that an upstream has for its answer.

use std::pin::Pin;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Milliseconds that are left for the whole request; taken only from our own callers.
pub(crate) const X_REQUEST_DEADLINE_MS: HeaderName =
    HeaderName::from_static("x-request-deadline-ms");

/// How often an upload that is still running is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Runs `sent` for at most `budget` after the request's body has gone out; `None` when time ran out.
/// Without a budget it takes as long as it takes.
///
/// `sent` is lent: moved in, it would make the request's future as large again.
///
/// While the body is still arriving there is no limit here: its own progress timeout watches it.
pub(crate) async fn within<T>(
    budget: Option<Duration>,
    uploading: impl Fn() -> bool,
    mut sent: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    let Some(budget) = budget else {
        return Some(sent.await);
    };
    while uploading() {
        let looked = tokio::time::timeout(budget.min(LOOK_AGAIN), sent.as_mut()).await;
        if let Ok(done) = looked {
            return Some(done);
        }
    }
    tokio::time::timeout(budget, sent).await.ok()
}

/// Tells the upstream how long its answer is waited for, whatever the client has claimed.
pub(crate) fn tell_deadline(headers: &mut HeaderMap, budget: Option<Duration>) {
    match budget {
        Some(budget) => {
            let left_ms = u64::try_from(budget.as_millis()).unwrap_or(u64::MAX);
            headers.insert(X_REQUEST_DEADLINE_MS, HeaderValue::from(left_ms));
        }
        None => {
            headers.remove(X_REQUEST_DEADLINE_MS);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::time::{Instant, sleep};

    use super::*;

    const BUDGET: Duration = Duration::from_secs(15);

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_is_given_up_after_the_budget() {
        let started = Instant::now();
        let never = pin!(std::future::pending::<()>());
        assert!(within(Some(BUDGET), || false, never).await.is_none());
        assert_eq!(started.elapsed(), BUDGET);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_upload_is_no_timeout() {
        let slow = pin!(sleep(Duration::from_secs(600)));
        assert!(within(Some(BUDGET), || true, slow).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_begins_when_the_upload_has_ended() {
        let started = Instant::now();
        let uploading = || started.elapsed() < Duration::from_secs(60);
        let never = pin!(std::future::pending::<()>());
        assert!(within(Some(BUDGET), uploading, never).await.is_none());
        let took = started.elapsed();
        assert!((75..76).contains(&took.as_secs()), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_may_take_as_long_as_it_takes_to_begin() {
        let slow = pin!(sleep(Duration::from_secs(3600)));
        assert!(within(None, || false, slow).await.is_some());
    }
}
