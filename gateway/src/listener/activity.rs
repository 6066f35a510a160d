//! Finds connections that keep us waiting.
//!
//! hyper's own header timeout makes a timer for every request and can't tell an idle connection (which
//! may wait for 75 s) from a slow request head (which may take 10 s), and it has none for a client that
//! does not take its answer. This does all of it with one timer a connection: reads, writes and answers
//! leave their time in an atomic, and the connection's task looks at them now and then.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use route_table::table::ListenerTimeouts;

use crate::balance::Instant;
use crate::defaults::{DRAIN_IDLE_TIMEOUT, H1_PARK_AFTER};
use crate::listener::frames::Offence;
use crate::state::Clock;

/// Since when a connection does what it does.
#[derive(Debug)]
pub(crate) struct Activity {
    clock: Clock,
    timeouts: ListenerTimeouts,
    /// Nothing is being answered since.
    idle: Since,
    /// The client has begun something that it must finish soon: a request's head, or on HTTP/2 any
    /// frame but data.
    head: Since,
    /// The client does not take what we write.
    blocked: Since,
    /// The connection is wanted no more.
    leaving: Since,
    offence: OnceLock<Offence>,
    given_up: AtomicBool,
    /// Requests being answered; more than one only on HTTP/2.
    open: AtomicU64,
    /// HTTP/1.1: what the library has still to do: answers that it has not been handed to the end, and
    /// requests' bodies that it has not read to the end.
    unfinished: AtomicU64,
}

/// The beginning of something that goes on; it has none while it does not.
#[derive(Debug, Default)]
struct Since(AtomicU64);

impl Since {
    /// Notes the beginning, unless it goes on already. The clock is read only then.
    fn begin(&self, now: impl FnOnce() -> Instant) {
        if self.0.load(Ordering::Relaxed) == 0 {
            self.0.store(now().0, Ordering::Relaxed);
        }
    }

    fn end(&self) {
        if self.0.load(Ordering::Relaxed) != 0 {
            self.0.store(0, Ordering::Relaxed);
        }
    }

    fn get(&self) -> Option<Instant> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            since => Some(Instant(since)),
        }
    }
}

/// Why a connection should be closed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// Nothing asked for too long: close gracefully.
    Idle,
    /// A request's head does not come to its end: close at once.
    SlowHead,
    /// An answer is not taken: close at once, so that the upstream's connection is free again.
    SlowReader,
}

impl Activity {
    pub(crate) fn new(clock: Clock, timeouts: ListenerTimeouts) -> Arc<Self> {
        let activity = Self {
            clock,
            timeouts,
            idle: Since::default(),
            head: Since::default(),
            blocked: Since::default(),
            leaving: Since::default(),
            offence: OnceLock::new(),
            given_up: AtomicBool::new(false),
            open: AtomicU64::new(0),
            unfinished: AtomicU64::new(0),
        };
        activity.idle.begin(|| clock.now());
        Arc::new(activity)
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// HTTP/1.1: bytes came in; on an idle connection they begin a request's head.
    pub(super) fn received(&self) {
        if self.idle.get().is_some() {
            self.head.begin(|| self.clock.now());
        }
    }

    /// HTTP/2: says whether the client is amid something that it must finish soon.
    pub(super) fn amid_head(&self, amid: bool) {
        if amid {
            self.head.begin(|| self.clock.now());
        } else {
            self.head.end();
        }
    }

    /// A write came to its end, or has to wait for the client.
    pub(super) fn wrote(&self, blocked: bool) {
        if blocked {
            self.blocked.begin(|| self.clock.now());
        } else {
            self.blocked.end();
        }
    }

    /// The client sends too much of something, or what it must not. The libraries between here and the connection's task keep
    /// only an error's text.
    pub(super) fn offended(&self, offence: Offence) {
        // Only the first counts.
        let _ = self.offence.set(offence);
    }

    pub(super) fn offence(&self) -> Option<Offence> {
        self.offence.get().copied()
    }

    /// The client does not take its answers: nothing more is kept for it.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    /// A write waits for the client.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.get().is_some()
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// A request's head is complete; the guard lasts until its answer has been written.
    pub(crate) fn answering(self: &Arc<Self>) -> Answering {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.idle.end();
        self.head.end();
        Answering {
            activity: Arc::clone(self),
            unread: None,
        }
    }

    /// HTTP/1.1: the library has handed over a request; the guard lasts until it has all of the answer. An
    /// answer may outlast its [`Answering`]: a layer of the user's may have put another body into it.
    pub(super) fn occupied(self: &Arc<Self>) -> Occupied {
        self.unfinished.fetch_add(1, Ordering::Relaxed);
        Occupied(Arc::clone(self))
    }

    /// The connection is wanted no more: from now on it may be idle only for a moment.
    pub(super) fn leave(&self) {
        self.leaving.begin(|| self.clock.now());
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.get().is_some()
    }

    /// HTTP/1.1: in how long the connection may be parked if nothing happens until then; zero: now. `None`:
    /// it is busy, or is wanted no more and closes soon.
    pub(super) fn parks_in(&self) -> Option<Duration> {
        self.parks_in_at(self.clock.now())
    }

    fn parks_in_at(&self, now: Instant) -> Option<Duration> {
        let busy = self.head.get().is_some()
            || self.is_blocked()
            || self.unfinished.load(Ordering::Relaxed) > 0;
        if busy || self.is_leaving() {
            return None;
        }
        let idle = now.since(self.idle.get()?);
        Some(H1_PARK_AFTER.saturating_sub(idle))
    }

    /// For how long the connection may stay idle, if it still may: all that can become overdue while it is
    /// parked.
    pub(super) fn idle_left(&self) -> Option<Duration> {
        self.idle_left_at(self.clock.now())
    }

    fn idle_left_at(&self, now: Instant) -> Option<Duration> {
        let (since, limit) = self.idle_limit();
        let left = limit.checked_sub(now.since(since?))?;
        Some(left).filter(|left| !left.is_zero())
    }

    /// Since when the connection is idle, and how long it may be.
    fn idle_limit(&self) -> (Option<Instant>, Duration) {
        let leaving = self.leaving.get();
        let since = self.idle.get();
        let since = since.map(|since| leaving.map_or(since, |left| left.max(since)));
        let limit = match leaving {
            Some(_) => self.timeouts.idle.min(DRAIN_IDLE_TIMEOUT),
            None => self.timeouts.idle,
        };
        (since, limit)
    }

    /// Looks whether the connection has kept us waiting too long, and says when to look again.
    pub(super) fn check(&self) -> Result<Duration, Overdue> {
        self.check_at(self.clock.now())
    }

    fn check_at(&self, now: Instant) -> Result<Duration, Overdue> {
        let ListenerTimeouts { header, body, .. } = self.timeouts;
        let (idle_since, idle) = self.idle_limit();
        // Whoever is amid a head is not idle.
        let idle_since = idle_since.filter(|_| self.head.get().is_none());
        let watched = [
            (self.blocked.get(), body, Overdue::SlowReader),
            (self.head.get(), header, Overdue::SlowHead),
            (idle_since, idle, Overdue::Idle),
        ];
        // Each of them may begin at any time.
        let mut look_again = header.min(idle).min(body);
        for (since, limit, overdue) in watched {
            let Some(since) = since else { continue };
            match limit.checked_sub(now.since(since)) {
                Some(left) if !left.is_zero() => look_again = look_again.min(left),
                _ => return Err(overdue),
            }
        }
        Ok(look_again)
    }
}

/// One request being answered.
#[derive(Debug)]
pub(crate) struct Answering {
    activity: Arc<Activity>,
    unread: Option<Unread>,
}

impl Answering {
    /// The same for a request over HTTP/1.1 that has a body.
    pub(crate) fn with_body(mut self) -> Self {
        self.activity.unfinished.fetch_add(1, Ordering::Relaxed);
        self.unread = Some(Unread(Arc::clone(&self.activity)));
        self
    }

    /// What the request's body, if it has one, is to say at its end.
    pub(crate) fn unread(&mut self) -> Option<Unread> {
        self.unread.take()
    }
}

/// A request's body of which the library has not read the end.
///
/// Dropped without that, it leaves the connection as one that may not be parked: what the client sends
/// next may be the rest of the body, and is never to be taken for a request.
#[derive(Debug)]
pub(crate) struct Unread(Arc<Activity>);

impl Unread {
    /// The end has been read.
    pub(crate) fn ended(self) {
        self.0.unfinished.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that the library waits for the answer to.
#[derive(Debug)]
pub(super) struct Occupied(Arc<Activity>);

impl Occupied {
    pub(super) fn activity(&self) -> &Activity {
        &self.0
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.unfinished.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let activity = &self.activity;
        if activity.open.fetch_sub(1, Ordering::Relaxed) == 1 {
            activity.idle.begin(|| activity.clock.now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: ListenerTimeouts = ListenerTimeouts {
        header: Duration::from_secs(10),
        idle: Duration::from_secs(75),
        body: Duration::from_secs(60),
    };

    fn activity() -> Arc<Activity> {
        Activity::new(Clock::start(), TIMEOUTS)
    }

    /// What a look says that happens so many seconds from now.
    #[track_caller]
    fn look(activity: &Activity, seconds: u64) -> Result<Duration, Overdue> {
        let now = activity.clock.now();
        activity.check_at(now.after(Duration::from_secs(seconds)))
    }

    #[test]
    fn a_connection_without_a_request_is_idle() {
        let activity = activity();
        assert!(look(&activity, 74).is_ok());
        assert_eq!(look(&activity, 75), Err(Overdue::Idle));
        let answering = activity.answering();
        assert!(look(&activity, 1000).is_ok(), "an answer may take its time");
        drop(answering);
        assert_eq!(look(&activity, 75), Err(Overdue::Idle));
    }

    #[test]
    fn a_head_that_has_begun_must_end_soon() {
        let activity = activity();
        activity.received();
        assert!(look(&activity, 9).is_ok());
        assert_eq!(look(&activity, 10), Err(Overdue::SlowHead));
        let answering = activity.answering();
        activity.received();
        assert!(look(&activity, 1000).is_ok(), "what comes now is a body");
        drop(answering);
    }

    #[test]
    fn on_http_2_a_head_must_end_soon_whatever_else_is_answered() {
        let activity = activity();
        let _answering = activity.answering();
        activity.amid_head(true);
        assert_eq!(look(&activity, 10), Err(Overdue::SlowHead));
        activity.amid_head(false);
        assert!(look(&activity, 1000).is_ok());
    }

    #[test]
    fn a_client_that_takes_nothing_is_given_up() {
        let activity = activity();
        let _answering = activity.answering();
        activity.wrote(true);
        assert!(look(&activity, 59).is_ok());
        assert_eq!(look(&activity, 60), Err(Overdue::SlowReader));
        activity.wrote(false);
        assert!(look(&activity, 1000).is_ok());
    }

    #[test]
    fn a_connection_that_is_wanted_no_more_may_be_idle_for_a_moment() {
        let activity = activity();
        let answering = activity.answering();
        activity.leave();
        assert!(look(&activity, 29).is_ok(), "its answer is finished first");
        drop(answering);
        assert!(look(&activity, 1).is_ok());
        assert_eq!(look(&activity, 2), Err(Overdue::Idle));
    }

    #[test]
    fn a_look_comes_in_time_for_whatever_may_begin() {
        let activity = activity();
        assert_eq!(look(&activity, 0), Ok(TIMEOUTS.header));
        let left = look(&activity, 70).expect("not yet overdue");
        assert!(left <= Duration::from_secs(5), "{left:?}");
    }

    /// In how many seconds the connection may be parked, so many from now.
    #[track_caller]
    fn parks(activity: &Activity, seconds: u64) -> Option<u64> {
        let now = activity.clock.now().after(Duration::from_secs(seconds));
        activity.parks_in_at(now).map(|left| left.as_secs())
    }

    #[test]
    fn an_idle_connection_may_be_parked_after_a_while() {
        let activity = activity();
        assert_eq!(parks(&activity, 1), Some(0));
        let answering = activity.answering();
        assert_eq!(parks(&activity, 10), None, "amid an answer");
        drop(answering);
        assert_eq!(parks(&activity, 1), Some(0));
        activity.received();
        assert_eq!(parks(&activity, 10), None, "amid a head");
    }

    #[test]
    fn a_connection_is_not_parked_before_its_answer_is_written() {
        let activity = activity();
        let occupied = activity.occupied();
        drop(activity.answering());
        assert_eq!(parks(&activity, 10), None, "a layer's own answer");
        drop(occupied);
        activity.wrote(true);
        assert_eq!(parks(&activity, 10), None, "the client does not read");
        activity.wrote(false);
        assert_eq!(parks(&activity, 10), Some(0));
    }

    #[test]
    fn a_connection_on_which_a_body_may_follow_is_never_parked() {
        let activity = activity();
        let mut answering = activity.answering().with_body();
        let unread = answering.unread().expect("a body");
        drop(answering);
        assert_eq!(parks(&activity, 10), None);
        unread.ended();
        assert_eq!(parks(&activity, 10), Some(0));
        drop(activity.answering().with_body());
        assert_eq!(parks(&activity, 10), None, "nobody has read it");
    }

    #[test]
    fn a_connection_that_is_wanted_no_more_is_not_parked_but_closed() {
        let activity = activity();
        activity.leave();
        assert_eq!(parks(&activity, 10), None);
    }

    #[test]
    fn a_parked_connection_can_only_have_been_idle_for_too_long() {
        let activity = activity();
        let left = activity.idle_left().expect("some of 75 s");
        assert!(left > Duration::from_secs(70), "{left:?}");
        let later = activity.clock.now().after(Duration::from_secs(76));
        assert_eq!(activity.idle_left_at(later), None);
        activity.leave();
        let left = activity.idle_left().expect("a moment");
        assert!(left <= DRAIN_IDLE_TIMEOUT, "{left:?}");
    }
}
