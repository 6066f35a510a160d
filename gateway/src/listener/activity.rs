//! Closes connections that keep us waiting.
//!
//! hyper's own header timeout makes a timer for every request and can't tell an idle connection (which
//! may wait for 75 s) from a slow request head (which may take 10 s). This does both with one timer a
//! connection: reads and answers leave their time in an atomic, and the connection's task looks at it
//! now and then. It also sees a client that asks and does not read: what it leaves in our buffers would
//! stay there for ever.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::balance::Instant;
use crate::defaults::{BODY_PROGRESS_TIMEOUT, CLIENT_IDLE_TIMEOUT, HEADER_READ_TIMEOUT};
use crate::state::Clock;

/// What a connection is doing, and since when.
#[derive(Debug)]
pub(crate) struct Activity {
    clock: Clock,
    /// HTTP/1.1: bytes on an idle connection begin a head. On HTTP/2 they may be any frame, whose
    /// limits are hyper's.
    tells_heads: bool,
    state: AtomicU8,
    since: AtomicU64,
    /// Since when the client takes nothing of what we have for it; 0 while it does.
    unread_since: AtomicU64,
    /// The connection is to be reset when it is closed.
    reset: AtomicBool,
    /// Requests being answered; more than one only on HTTP/2.
    open: AtomicU64,
}

const IDLE: u8 = 0;
const READING_HEAD: u8 = 1;
const ANSWERING: u8 = 2;

/// Why a connection should be closed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// Nothing asked for too long: close gracefully.
    Idle,
    /// A request's head does not come to its end: close at once.
    SlowHead,
    /// The client does not read what it asked for: close at once, with a reset.
    SlowReader,
}

impl Activity {
    pub(crate) fn new(clock: Clock, tells_heads: bool) -> Arc<Self> {
        Arc::new(Self {
            clock,
            tells_heads,
            state: AtomicU8::new(IDLE),
            since: AtomicU64::new(clock.now().0),
            unread_since: AtomicU64::new(0),
            reset: AtomicBool::new(false),
            open: AtomicU64::new(0),
        })
    }

    fn enter(&self, state: u8) {
        self.since.store(self.clock.now().0, Ordering::Relaxed);
        self.state.store(state, Ordering::Relaxed);
    }

    /// Bytes came in: on an idle connection, the beginning of a request's head.
    fn received(&self) {
        if self.tells_heads && self.state.load(Ordering::Relaxed) == IDLE {
            self.enter(READING_HEAD);
        }
    }

    /// The client took something, or has no room for more.
    fn wrote(&self, took: bool) {
        let waits = self.unread_since.load(Ordering::Relaxed) != 0;
        match took {
            true if waits => self.unread_since.store(0, Ordering::Relaxed),
            false if !waits => self
                .unread_since
                .store(self.clock.now().0, Ordering::Relaxed),
            _ => {}
        }
    }

    /// A request's head is complete; the guard lasts until its answer has been written.
    pub(crate) fn answering(self: &Arc<Self>) -> Answering {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.state.store(ANSWERING, Ordering::Relaxed);
        Answering(Arc::clone(self))
    }

    /// Looks whether the connection has kept us waiting too long, and says when to look again.
    pub(crate) fn check(&self) -> Result<Duration, Overdue> {
        self.check_at(self.clock.now())
    }

    fn check_at(&self, now: Instant) -> Result<Duration, Overdue> {
        let unread_since = self.unread_since.load(Ordering::Relaxed);
        if unread_since != 0 && now.since(Instant(unread_since)) >= BODY_PROGRESS_TIMEOUT {
            // An orderly close would leave the rest in the kernel's buffer, for a client that takes
            // none of it.
            self.reset.store(true, Ordering::Relaxed);
            return Err(Overdue::SlowReader);
        }
        let waited = now.since(Instant(self.since.load(Ordering::Relaxed)));
        let (limit, overdue) = match self.state.load(Ordering::Relaxed) {
            IDLE => (CLIENT_IDLE_TIMEOUT, Overdue::Idle),
            READING_HEAD => (HEADER_READ_TIMEOUT, Overdue::SlowHead),
            _ => return Ok(HEADER_READ_TIMEOUT),
        };
        match limit.checked_sub(waited) {
            // An idle connection may begin a head at any time, whose limit is the shorter one.
            Some(left) if !left.is_zero() => Ok(left.min(HEADER_READ_TIMEOUT)),
            _ => Err(overdue),
        }
    }
}

/// One request being answered.
#[derive(Debug)]
pub(crate) struct Answering(Arc<Activity>);

impl Drop for Answering {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.enter(IDLE);
        }
    }
}

/// A stream that can break off so that nothing waits in the kernel for the peer.
pub(crate) trait Resettable {
    /// Makes closing it a reset.
    fn reset_on_close(&self);
}

impl Resettable for TcpStream {
    fn reset_on_close(&self) {
        // A socket that refuses closes in the orderly way.
        let _ = self.set_zero_linger();
    }
}

impl<S: Resettable> Resettable for TlsStream<S> {
    fn reset_on_close(&self) {
        self.get_ref().0.reset_on_close();
    }
}

/// A connection's stream that reports what it reads and whether it can write.
#[derive(Debug)]
pub(crate) struct Watched<S: Resettable> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S: Resettable> Drop for Watched<S> {
    fn drop(&mut self) {
        if self.activity.reset.load(Ordering::Relaxed) {
            self.stream.reset_on_close();
        }
    }
}

impl<S: Resettable> Watched<S> {
    pub(crate) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }
}

impl<S: AsyncRead + Resettable + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.received();
        }
        outcome
    }
}

impl<S: AsyncWrite + Resettable + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.activity.wrote(outcome.is_ready());
        outcome
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS takes everything at once and waits here for room.
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.activity.wrote(outcome.is_ready());
        outcome
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.activity.wrote(outcome.is_ready());
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_takes_nothing_for_too_long_is_overdue() {
        let activity = Activity::new(Clock::start(), true);
        let _answering = activity.answering();
        activity.wrote(false);
        activity.wrote(false);
        let now = activity.clock.now();
        assert!(activity.check_at(now).is_ok());
        let later = now.after(BODY_PROGRESS_TIMEOUT);
        assert_eq!(activity.check_at(later), Err(Overdue::SlowReader));
    }

    #[test]
    fn a_client_that_took_a_little_in_the_meantime_is_not() {
        let activity = Activity::new(Clock::start(), true);
        let _answering = activity.answering();
        activity.wrote(false);
        let later = activity.clock.now().after(BODY_PROGRESS_TIMEOUT);
        activity.wrote(true);
        assert!(activity.check_at(later).is_ok());
    }
}
