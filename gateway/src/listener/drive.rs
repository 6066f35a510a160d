//! Drives a connection: closes it when it waits too long, and lets it finish when it is wanted no more.

use std::error::Error as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFuture;

use crate::defaults::{DRAIN_TIMEOUT, H1_PARK_AFTER};
use crate::listener::activity::{Activity, Overdue};
use crate::listener::frames::Offence;
use crate::listener::streams::StreamExecutor;
use crate::listener::watched::{ClientStream, Watched};
use crate::respond::give_up;

/// How long an idle connection may take to close: a round trip on HTTP/2.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a connection ended badly.
#[derive(Debug)]
pub(super) enum BadEnd {
    Http(hyper::Error),
    /// The client sent too many frames of a kind, or began with another one than SETTINGS.
    Offence(Offence),
    SlowHead,
    SlowReader,
    /// Still busy at the end of the drain.
    CutOff,
}

impl BadEnd {
    /// A bounded label for metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Http(error) => kind_of(error),
            Self::Offence(offence) => offence.label(),
            Self::SlowHead => "header_timeout",
            Self::SlowReader => "slow_reader",
            Self::CutOff => "drain_timeout",
        }
    }
}

/// The two kinds of connection, as far as their end is concerned.
pub(super) trait Closable: Future<Output = hyper::Result<()>> {
    /// Whether an idle one is handed back after [`H1_PARK_AFTER`].
    const PARKS: bool;

    /// Asks for the end: what is being answered is finished.
    fn close(self: Pin<&mut Self>);

    /// Announces the end, so that no request meets a closed connection.
    fn announce_end(self: Pin<&mut Self>);
}

impl<I, S, B> Closable for http1::UpgradeableConnection<I, S>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    const PARKS: bool = true;

    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }

    fn announce_end(self: Pin<&mut Self>) {
        // hyper would close an idle connection at once and so meet a request that is on its way. The next
        // answer says it instead; see `say_goodbye`.
    }
}

impl<I, S, B> Closable for http2::Connection<I, S, StreamExecutor>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    const PARKS: bool = false;

    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }

    fn announce_end(self: Pin<&mut Self>) {
        // GOAWAY for no stream yet, and the real one a round trip later (RFC 9113, section 6.8).
        self.graceful_shutdown();
    }
}

/// What ends a connection from our side. It outlives each of the library's connections on one stream.
pub(super) struct Drive<'c, 't> {
    activity: &'c Activity,
    /// Its listener, or the whole process, wants no more of it.
    closed: Pin<&'c mut WaitForCancellationFuture<'t>>,
    /// The connection's one timer.
    look: Pin<&'c mut Sleep>,
    /// When it ends whatever it does.
    cut: Option<Instant>,
    /// Since when it is asked to end for being idle.
    asked: Option<Instant>,
    /// Until the next look whether it may be parked; longer and longer while requests keep it busy.
    pause: Duration,
}

/// What a look at a connection finds.
enum Found {
    /// Look again.
    Nothing {
        later: Duration,
    },
    /// Nothing of an exchange is left: it may be parked.
    AtRest,
    /// Nothing asked for too long: it is to close.
    Idle,
    /// It was asked to end, had the time for it, and does nothing: nobody is there.
    Deserted,
    Bad(BadEnd),
}

impl<'c, 't> Drive<'c, 't> {
    pub(super) fn new(
        activity: &'c Activity,
        closed: Pin<&'c mut WaitForCancellationFuture<'t>>,
        look: Pin<&'c mut Sleep>,
    ) -> Self {
        Self {
            activity,
            closed,
            look,
            cut: None,
            asked: None,
            pause: H1_PARK_AFTER,
        }
    }

    /// Drives a connection to its end, or until it may be parked: then it is handed back, and holds
    /// nothing but its stream.
    pub(super) async fn run<C: Closable>(
        &mut self,
        connection: Pin<Box<C>>,
    ) -> Result<Option<Pin<Box<C>>>, BadEnd> {
        // Dropped by hand when its answers are given up.
        let mut connection = Some(connection);
        self.pause = H1_PARK_AFTER;
        let first = self.activity.check().unwrap_or_default();
        self.look_in(if C::PARKS {
            first.min(self.pause)
        } else {
            first
        });
        loop {
            let Some(running) = &mut connection else {
                return Ok(None);
            };
            tokio::select! {
                biased;
                ended = running.as_mut() => return match ended {
                    Ok(()) => Ok(None),
                    Err(error) => Err(match self.activity.offence() {
                        Some(offence) => BadEnd::Offence(offence),
                        None => BadEnd::Http(error),
                    }),
                },
                () = self.closed.as_mut(), if !self.activity.is_leaving() => {
                    self.leave();
                    running.as_mut().announce_end();
                    self.look_in(Duration::ZERO);
                }
                () = self.look.as_mut() => match self.found(C::PARKS) {
                    Found::Nothing { later } => self.look_in(later),
                    // It has just been polled, and has read all there was.
                    Found::AtRest => return Ok(connection),
                    Found::Idle => {
                        running.as_mut().close();
                        self.look_in(CLOSE_TIMEOUT);
                    }
                    Found::Deserted => return Ok(None),
                    Found::Bad(end) => {
                        if let BadEnd::SlowReader = end {
                            self.activity.give_up();
                            give_up(|| connection = None);
                        }
                        return Err(end);
                    }
                },
            }
        }
    }

    /// Waits beside a parked connection until there is something to read; false: it has been idle for too
    /// long.
    pub(super) async fn wait<S: ClientStream>(&mut self, stream: &Watched<S>) -> bool {
        while let Some(left) = self.activity.idle_left() {
            self.look_in(left);
            tokio::select! {
                biased;
                () = poll_fn(|cx| stream.poll_readable(cx)) => return true,
                () = self.closed.as_mut(), if !self.activity.is_leaving() => self.leave(),
                () = self.look.as_mut() => {}
            }
        }
        false
    }

    fn found(&mut self, parks: bool) -> Found {
        if self.cut.is_some_and(|cut| cut <= Instant::now()) {
            return Found::Bad(BadEnd::CutOff);
        }
        match self.activity.check() {
            Ok(later) if parks && self.asked.is_none() => match self.activity.parks_in() {
                Some(Duration::ZERO) => Found::AtRest,
                Some(left) => {
                    self.pause = H1_PARK_AFTER;
                    Found::Nothing {
                        later: later.min(left),
                    }
                }
                None => {
                    self.pause = later.min(2 * self.pause);
                    Found::Nothing { later: self.pause }
                }
            },
            Ok(later) => Found::Nothing { later },
            Err(Overdue::SlowHead) => Found::Bad(BadEnd::SlowHead),
            Err(Overdue::SlowReader) => Found::Bad(BadEnd::SlowReader),
            Err(Overdue::Idle) if self.asked.is_some_and(|at| at.elapsed() >= CLOSE_TIMEOUT) => {
                Found::Deserted
            }
            Err(Overdue::Idle) => {
                self.asked.get_or_insert_with(Instant::now);
                // What came in meanwhile is answered.
                self.cut
                    .get_or_insert_with(|| Instant::now() + DRAIN_TIMEOUT);
                Found::Idle
            }
        }
    }

    fn leave(&mut self) {
        self.activity.leave();
        self.cut = Some(Instant::now() + DRAIN_TIMEOUT);
    }

    fn look_in(&mut self, later: Duration) {
        let next = Instant::now() + later;
        let next = self.cut.map_or(next, |cut| cut.min(next));
        self.look.as_mut().reset(next);
    }
}

/// A bounded label for metrics.
fn kind_of(error: &hyper::Error) -> &'static str {
    let h2 = error.source().and_then(|source| source.downcast_ref());
    match h2.and_then(h2::Error::reason) {
        // One of the library's own bounds.
        Some(h2::Reason::ENHANCE_YOUR_CALM) => "h2_flood",
        Some(h2::Reason::NO_ERROR | h2::Reason::CANCEL) => "client_aborted",
        Some(_) => "malformed_request",
        None if error.is_parse_too_large() => "headers_too_large",
        None if error.is_parse() => "malformed_request",
        None if error.is_timeout() => "timeout",
        None if error.is_incomplete_message() || error.is_closed() || error.is_canceled() => {
            "client_aborted"
        }
        None => "io",
    }
}
