//! Upstream connections of one worker that can take a request.
//!
//! Each worker has a pool of its own: a request never waits for another thread, and a connection's
//! task runs where its requests run. The mutex is therefore never contended; it is there so that
//! futures stay `Send`.

use std::sync::{Arc, Weak};

use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::balance::{Endpoint, Instant};
use crate::defaults::IDLE_CONNECTIONS_MAX;
use crate::upstream::connect::{ConnectError, Opened};
use crate::upstream::connection::{Connection, Need};
use crate::upstream::http1::Http1;
use crate::upstream::http2::Http2;

/// Connections by endpoint id. Ids are ours: they need no hash that withstands an attacker.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    endpoints: Mutex<HashMap<u64, Kept>>,
}

/// The connections to one endpoint.
#[derive(Debug)]
struct Kept {
    /// Gone when discovery or a reload has dropped the endpoint and no request is under way to it.
    endpoint: Weak<Endpoint>,
    /// HTTP/1.1, the most recently used last.
    idle: Vec<Idle>,
    /// HTTP/2, in use or not; the oldest first, so that few are filled rather than many half.
    shared: Vec<Arc<Http2>>,
    opening: Option<Opening>,
    /// What its last connection spoke.
    speaks: Option<Speaks>,
}

#[derive(Debug)]
struct Idle {
    connection: Http1,
    until: Instant,
}

/// What an endpoint has chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    Http1,
    Http2,
}

/// A connection being opened for all who wait for one.
pub(super) type Opening = watch::Receiver<Option<Result<(), Arc<ConnectError>>>>;

/// The end of an [`Opening`] at which the result is told.
pub(super) type Opener = watch::Sender<Option<Result<(), Arc<ConnectError>>>>;

impl Kept {
    fn new(endpoint: &Arc<Endpoint>) -> Self {
        Self {
            endpoint: Arc::downgrade(endpoint),
            idle: Vec::new(),
            shared: Vec::new(),
            opening: None,
            speaks: None,
        }
    }

    fn keep(&mut self, connection: Http1, until: Instant) {
        if self.idle.len() < IDLE_CONNECTIONS_MAX {
            self.idle.push(Idle { connection, until });
        }
    }

    fn sweep(&mut self, now: Instant) {
        self.idle
            .retain(|idle| idle.until > now && idle.connection.is_open(now));
        self.shared
            .retain(|shared| shared.is_open(now) && !shared.is_idle_too_long(now));
    }
}

impl Pool {
    /// Takes a connection that is still open and young enough: the warmest of HTTP/1.1, a stream of
    /// HTTP/2.
    pub(super) fn take(&self, endpoint: u64, need: Need, now: Instant) -> Option<Connection> {
        let mut endpoints = self.endpoints.lock();
        let kept = endpoints.get_mut(&endpoint)?;
        if !kept.shared.is_empty() {
            kept.shared.retain(|shared| shared.is_open(now));
            let mut fit = kept.shared.iter().filter(|shared| shared.can(need));
            if let Some(stream) = fit.find_map(|shared| shared.begin(now)) {
                return Some(Connection::Http2(stream));
            }
        }
        while let Some(Idle { connection, until }) = kept.idle.pop() {
            if until > now && connection.is_open(now) {
                return Some(Connection::Http1(connection));
            }
        }
        None
    }

    /// Keeps a connection for the next request, as long as it and its endpoint will have it.
    pub(super) fn put(&self, endpoint: &Arc<Endpoint>, connection: Http1, now: Instant) {
        if let Some(until) = connection.idle_until(now) {
            let mut endpoints = self.endpoints.lock();
            let kept = endpoints.entry(endpoint.id);
            let kept = kept.or_insert_with(|| Kept::new(endpoint));
            kept.keep(connection, until);
        }
    }

    /// Notes what an endpoint speaks, and offers an HTTP/2 connection to all.
    pub(super) fn share(&self, endpoint: &Arc<Endpoint>, connection: &Arc<Http2>) {
        let mut endpoints = self.endpoints.lock();
        let kept = endpoints.entry(endpoint.id);
        let kept = kept.or_insert_with(|| Kept::new(endpoint));
        kept.speaks = Some(Speaks::Http2);
        kept.shared.push(Arc::clone(connection));
    }

    /// What the endpoint spoke last.
    pub(super) fn speaks(&self, endpoint: u64) -> Option<Speaks> {
        self.endpoints.lock().get(&endpoint)?.speaks
    }

    /// Whether HTTP/2 is spoken with the endpoint, and no connection offers to carry WebSockets.
    pub(super) fn offers_no_websocket(&self, endpoint: u64, now: Instant) -> bool {
        let endpoints = self.endpoints.lock();
        let Some(kept) = endpoints.get(&endpoint) else {
            return false;
        };
        let mut open = kept.shared.iter().filter(|shared| shared.is_open(now));
        let first = open.next();
        first.is_some_and(|first| !first.can(Need::WebSocket))
            && open.all(|shared| !shared.can(Need::WebSocket))
    }

    /// Joins those who wait for a connection that is being opened. The first to come gets the other
    /// end too, and opens it.
    pub(super) fn join(&self, endpoint: &Arc<Endpoint>) -> (Opening, Option<Opener>) {
        let mut endpoints = self.endpoints.lock();
        let kept = endpoints.entry(endpoint.id);
        let kept = kept.or_insert_with(|| Kept::new(endpoint));
        // An error says that the opener is gone without a word.
        if let Some(opening) = kept
            .opening
            .as_ref()
            .filter(|one| one.has_changed().is_ok())
        {
            return (opening.clone(), None);
        }
        let (opener, opening) = watch::channel(None);
        kept.opening = Some(opening.clone());
        (opening, Some(opener))
    }

    /// Takes what was opened for those who wait, and tells them.
    pub(super) fn opened(
        &self,
        endpoint: &Arc<Endpoint>,
        opener: &Opener,
        opened: Result<Opened, ConnectError>,
        now: Instant,
    ) {
        let mut endpoints = self.endpoints.lock();
        let kept = endpoints.entry(endpoint.id);
        let kept = kept.or_insert_with(|| Kept::new(endpoint));
        kept.opening = None;
        let told = match opened {
            Ok(Opened::Http1(connection)) => {
                kept.speaks = Some(Speaks::Http1);
                if let Some(until) = connection.idle_until(now) {
                    kept.keep(connection, until);
                }
                Ok(())
            }
            Ok(Opened::Http2(connection)) => {
                kept.speaks = Some(Speaks::Http2);
                kept.shared.push(connection);
                Ok(())
            }
            Err(error) => Err(Arc::new(error)),
        };
        drop(endpoints);
        opener.send_replace(Some(told));
    }

    /// Closes what has been idle too long or belongs to endpoints that are gone; called now and then
    /// by the worker.
    pub(crate) fn sweep(&self, now: Instant) {
        self.endpoints.lock().retain(|_, kept| {
            kept.sweep(now);
            kept.endpoint.strong_count() > 0
        });
    }
}
