//! Runs the tasks of HTTP/2 streams, and ends those whose client does not take its answer.
//!
//! A client can keep a stream's flow-control window shut for ever while the connection is busy with
//! others. The stream would hold its upstream's connection as long. Dropping its task resets the stream
//! and frees both.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::respond::{Asked, give_up, observe};

/// Spawns what hyper's HTTP/2 server asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamExecutor {
    /// How long a client may take for one piece of an answer.
    pub(super) limit: Duration,
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        drop(tokio::spawn(Stream {
            task: Some(task),
            limit: self.limit,
            handed_out: None,
            timer: None,
        }));
    }
}

pin_project! {
    /// One stream's task.
    struct Stream<F> {
        #[pin]
        task: Option<F>,
        limit: Duration,
        // When the client's turn began; `None`: it is somebody else's.
        handed_out: Option<Instant>,
        // Made at the first wait: an answer that is taken at once needs none. It is moved only when it
        // fires, not with every piece.
        timer: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future<Output = ()>> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(task) = this.task.as_mut().as_pin_mut() else {
            return Poll::Ready(());
        };
        let (polled, asked) = observe(|| task.poll(cx));
        if polled.is_ready() {
            return Poll::Ready(());
        }
        match asked {
            Some(Asked::HandedOut) => *this.handed_out = Some(Instant::now()),
            Some(Asked::Waiting) => *this.handed_out = None,
            None => {}
        }
        let Some(since) = *this.handed_out else {
            return Poll::Pending;
        };
        let deadline = since + *this.limit;
        let timer = this
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        while timer.as_mut().poll(cx).is_ready() {
            if deadline <= Instant::now() {
                give_up(|| this.task.set(None));
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http_body::Body as _;

    use super::*;
    use crate::respond::ResponseBody;

    const LIMIT: Duration = Duration::from_secs(60);

    fn stream<F: Future<Output = ()>>(task: F) -> Stream<F> {
        Stream {
            task: Some(task),
            limit: LIMIT,
            handed_out: None,
            timer: None,
        }
    }

    /// A task that asks its body for a frame whenever `asks` says so, and never gets to its end.
    fn asking(mut asks: impl FnMut() -> bool) -> impl Future<Output = ()> {
        let mut body = ResponseBody::full("answer".into());
        let mut again = tokio::time::interval(LIMIT / 2);
        poll_fn(move |cx| {
            while again.poll_tick(cx).is_ready() {
                if asks() {
                    let _ = Pin::new(&mut body).poll_frame(cx);
                }
            }
            Poll::Pending
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_whose_answer_is_not_taken_is_given_up() {
        let mut first = true;
        let started = Instant::now();
        stream(asking(move || std::mem::replace(&mut first, false))).await;
        assert_eq!(started.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_takes_a_piece_now_and_then_is_not() {
        let lasting = tokio::time::timeout(LIMIT * 10, stream(asking(|| true)));
        assert!(lasting.await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_has_nothing_to_send_is_not() {
        let lasting = tokio::time::timeout(LIMIT * 10, stream(asking(|| false)));
        assert!(lasting.await.is_err());
    }
}
