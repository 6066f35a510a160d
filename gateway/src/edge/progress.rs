//! Notices that a body stands still.
//!
//! There is no limit to how long a body may take, only to how long it may pause. The timer is made at
//! the first pause: bodies that are there already cost none.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::defaults::{BODY_PROGRESS_TIMEOUT, STREAM_IDLE_TIMEOUT};

/// The pause that a body is in, if any.
#[derive(Debug)]
pub(crate) struct Progress {
    limit: Duration,
    pause: Option<Pin<Box<Sleep>>>,
    paused: bool,
}

impl Progress {
    /// For an ordinary body.
    pub(crate) fn new() -> Self {
        Self::within(BODY_PROGRESS_TIMEOUT)
    }

    /// For a stream, whose pauses may be long.
    pub(crate) fn of_stream() -> Self {
        Self::within(STREAM_IDLE_TIMEOUT)
    }

    fn within(limit: Duration) -> Self {
        Self {
            limit,
            pause: None,
            paused: false,
        }
    }

    /// Something arrived: the pause is over.
    pub(crate) fn made(&mut self) {
        self.paused = false;
    }

    /// Ready when the pause has lasted too long. Call it whenever the body is pending.
    pub(crate) fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let pause = match &mut self.pause {
            Some(pause) => {
                if !self.paused {
                    pause.as_mut().reset(Instant::now() + self.limit);
                }
                pause
            }
            none => none.insert(Box::pin(sleep_until(Instant::now() + self.limit))),
        };
        self.paused = true;
        pause.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_longer_than_the_limit_is_a_stall() {
        let mut progress = Progress::new();
        let started = Instant::now();
        poll_fn(|cx| progress.poll_stalled(cx)).await;
        assert_eq!(started.elapsed(), BODY_PROGRESS_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn many_short_pauses_are_no_stall() {
        let mut progress = Progress::new();
        for _ in 0..10 {
            let most_of_it = BODY_PROGRESS_TIMEOUT - Duration::from_secs(1);
            let stalled = poll_fn(|cx| progress.poll_stalled(cx));
            assert!(tokio::time::timeout(most_of_it, stalled).await.is_err());
            progress.made();
        }
    }
}
