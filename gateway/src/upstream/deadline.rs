//! The time that an upstream has for its answer.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};

/// Milliseconds that are left for the whole request; taken only from our own callers.
pub(crate) const X_REQUEST_DEADLINE_MS: HeaderName =
    HeaderName::from_static("x-request-deadline-ms");

/// How often an upload that is still running is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Timers that a worker keeps when a crowd has gone.
const TIMERS_KEPT_MAX: usize = 1024;

/// Runs `sent` for at most `budget` after the request's body has gone out; `None` when time ran out.
/// Without a budget it takes as long as it takes.
///
/// `sent` is lent: moved in, it would make the request's future as large again.
///
/// While the body is still arriving there is no limit here: its own progress timeout watches it.
pub(crate) async fn within<T>(
    timers: &Timers,
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
    let mut timer = timers.start(budget);
    poll_fn(|cx| match sent.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => timer.poll_elapsed(cx).map(|()| None),
    })
    .await
}

/// Timers of one worker, used again and again.
///
/// Nearly every request ends long before its time. A timer that is set to later than before stays where it
/// is in the runtime's wheel; one that is made for each request is put in and taken out again.
#[derive(Debug, Default)]
pub(crate) struct Timers(Mutex<Vec<Pin<Box<Sleep>>>>);

/// A timer in use.
#[derive(Debug)]
struct Timer<'t> {
    timers: &'t Timers,
    /// There until the drop.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timers {
    fn start(&self, budget: Duration) -> Timer<'_> {
        let until = Instant::now() + budget;
        let kept = self.0.lock().pop();
        let sleep = match kept {
            Some(mut sleep) => {
                sleep.as_mut().reset(until);
                sleep
            }
            None => Box::pin(sleep_until(until)),
        };
        Timer {
            timers: self,
            sleep: Some(sleep),
        }
    }
}

impl Timer<'_> {
    fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        let mut kept = self.timers.0.lock();
        if kept.len() < TIMERS_KEPT_MAX {
            kept.extend(self.sleep.take());
        }
    }
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

    use tokio::time::sleep;

    use super::*;

    const BUDGET: Duration = Duration::from_secs(15);

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_is_given_up_after_the_budget() {
        let started = Instant::now();
        let never = pin!(std::future::pending::<()>());
        assert!(
            within(&Timers::default(), Some(BUDGET), || false, never)
                .await
                .is_none()
        );
        assert_eq!(started.elapsed(), BUDGET);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_upload_is_no_timeout() {
        let slow = pin!(sleep(Duration::from_secs(600)));
        assert!(
            within(&Timers::default(), Some(BUDGET), || true, slow)
                .await
                .is_some()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_begins_when_the_upload_has_ended() {
        let started = Instant::now();
        let uploading = || started.elapsed() < Duration::from_secs(60);
        let never = pin!(std::future::pending::<()>());
        assert!(
            within(&Timers::default(), Some(BUDGET), uploading, never)
                .await
                .is_none()
        );
        let took = started.elapsed();
        assert!((75..76).contains(&took.as_secs()), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_may_take_as_long_as_it_takes_to_begin() {
        let slow = pin!(sleep(Duration::from_secs(3600)));
        assert!(
            within(&Timers::default(), None, || false, slow)
                .await
                .is_some()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_was_used_before_keeps_its_new_time() {
        let timers = Timers::default();
        for budget in [BUDGET, BUDGET / 3, BUDGET * 2, Duration::from_millis(1)] {
            let soon = pin!(sleep(Duration::ZERO));
            assert!(
                within(&timers, Some(budget), || false, soon)
                    .await
                    .is_some()
            );
            let started = Instant::now();
            let never = pin!(std::future::pending::<()>());
            assert!(
                within(&timers, Some(budget), || false, never)
                    .await
                    .is_none()
            );
            assert_eq!(started.elapsed(), budget);
        }
        assert_eq!(timers.0.lock().len(), 1);
    }
}
