//! The time that an upstream has for its answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::edge::Upload;

/// How often an upload that is still running is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Runs `sent` for at most `budget` after the request's body has gone out; `None` when time ran out.
///
/// While the body is still arriving there is no limit here: its own progress timeout watches it.
pub(crate) async fn within<T>(
    budget: Duration,
    upload: Option<Arc<Upload>>,
    sent: impl Future<Output = T>,
) -> Option<T> {
    let Some(upload) = upload else {
        return tokio::time::timeout(budget, sent).await.ok();
    };
    tokio::pin!(sent);
    let mut deadline = Instant::now() + budget;
    let mut uploading = !upload.ended();
    loop {
        let wake = if uploading {
            Instant::now() + budget.min(LOOK_AGAIN)
        } else {
            deadline
        };
        tokio::select! {
            biased;
            done = &mut sent => return Some(done),
            () = sleep_until(wake) => {
                if uploading {
                    uploading = !upload.ended();
                    deadline = Instant::now() + budget;
                } else {
                    return None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_is_given_up_after_the_budget() {
        let started = Instant::now();
        let outcome = within(Duration::from_secs(15), None, std::future::pending::<()>()).await;
        assert!(outcome.is_none());
        assert_eq!(started.elapsed(), Duration::from_secs(15));
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_upload_is_no_timeout() {
        let upload = Arc::new(Upload::default());
        let slow = tokio::time::sleep(Duration::from_secs(600));
        let outcome = within(Duration::from_secs(15), Some(upload), slow).await;
        assert!(outcome.is_some());
    }
}
