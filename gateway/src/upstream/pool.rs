//! Idle upstream connections of one worker.
//!
//! Each worker has a pool of its own: a request never waits for another thread, and a connection's
//! task runs where its requests run. The mutex is therefore never contended; it is there so that
//! futures stay `Send`.

use std::collections::HashMap;
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use parking_lot::Mutex;

use crate::balance::Instant;
use crate::defaults::IDLE_CONNECTIONS_MAX;
use crate::edge::RequestBody;

/// Idle connections by endpoint id, the most recently used last.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: Mutex<HashMap<u64, Vec<Idle>>>,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<RequestBody>,
    expires: Instant,
}

impl Pool {
    /// Takes the warmest connection that is still open and young enough.
    pub(crate) fn take(&self, endpoint: u64, now: Instant) -> Option<SendRequest<RequestBody>> {
        let mut idle = self.idle.lock();
        let connections = idle.get_mut(&endpoint)?;
        while let Some(Idle { sender, expires }) = connections.pop() {
            if expires > now && !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    /// Keeps a connection for the next request, for `idle_timeout` at most.
    pub(crate) fn put(
        &self,
        endpoint: u64,
        sender: SendRequest<RequestBody>,
        now: Instant,
        idle_timeout: Duration,
    ) {
        if sender.is_closed() {
            return;
        }
        let mut idle = self.idle.lock();
        let connections = idle.entry(endpoint).or_default();
        if connections.len() < IDLE_CONNECTIONS_MAX {
            connections.push(Idle {
                sender,
                expires: now.after(idle_timeout),
            });
        }
    }

    /// Closes what has been idle too long; called now and then by the worker.
    pub(crate) fn sweep(&self, now: Instant) {
        self.idle.lock().retain(|_, connections| {
            connections.retain(|idle| idle.expires > now && !idle.sender.is_closed());
            !connections.is_empty()
        });
    }
}
