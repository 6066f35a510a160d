//! What waits to be sent: bounded in number for each mirror, and in bytes in all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::defaults::{COPIES_BYTES_MAX, COPIES_QUEUED_MAX};
use crate::mirror::copy::Copy;
use crate::upstream::UpstreamState;

/// The workers' end of the queue.
#[derive(Debug)]
pub(crate) struct Mirrors {
    copies: mpsc::Sender<Copy>,
    /// Of all copies that wait or are under way.
    bytes: Arc<AtomicUsize>,
}

/// The sending thread's end.
pub(crate) type Waiting = mpsc::Receiver<Copy>;

pub(crate) fn queue() -> (Mirrors, Waiting) {
    let (copies, waiting) = mpsc::channel(COPIES_QUEUED_MAX);
    let bytes = Arc::default();
    (Mirrors { copies, bytes }, waiting)
}

impl Mirrors {
    /// A place for a copy of so many bytes.
    ///
    /// # Errors
    /// The word under which the copy that does not fit is counted.
    pub(super) fn place(
        &self,
        mirror: &Arc<UpstreamState>,
        bytes: usize,
    ) -> Result<Place, &'static str> {
        if !mirror.mirror.enter() {
            return Err("queue_full");
        }
        let mut place = Place {
            mirror: Arc::clone(mirror),
            all_bytes: Arc::clone(&self.bytes),
            bytes: 0,
        };
        match place.grow(bytes) {
            true => Ok(place),
            false => Err("memory_full"),
        }
    }

    /// Hands a copy over; `false`: the thread has fallen behind.
    pub(super) fn push(&self, copy: Copy) -> bool {
        self.copies.try_send(copy).is_ok()
    }
}

/// A copy's share of the bounds, from its beginning to its answer; dropped, it is given back.
#[derive(Debug)]
pub(super) struct Place {
    mirror: Arc<UpstreamState>,
    all_bytes: Arc<AtomicUsize>,
    bytes: usize,
}

impl Place {
    pub(super) fn mirror(&self) -> &Arc<UpstreamState> {
        &self.mirror
    }

    /// Takes so many bytes more; `false`: they do not fit.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let before = self.all_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        before.saturating_add(bytes) <= COPIES_BYTES_MAX
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.mirror.mirror.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::Instant;

    fn upstream() -> Arc<UpstreamState> {
        let text = "version: 1\nlisteners: [{ bind: '127.0.0.1:0' }]\n\
                    upstreams: { a: { endpoints: ['http://127.0.0.1:1'] } }\n\
                    routes: [{ match: { prefix: / }, to: { upstream: a } }]\n";
        let table = crate::routing::table_for_test(text);
        let row = table.upstreams[0].clone();
        Arc::new(UpstreamState::new(row, None, None, Instant(1)))
    }

    #[test]
    fn bytes_are_given_back_with_the_place() {
        let (mirrors, _waiting) = queue();
        let upstream = upstream();
        let mut place = mirrors.place(&upstream, 1_000).expect("room");
        assert!(place.grow(500));
        assert_eq!(mirrors.bytes.load(Ordering::Relaxed), 1_500);
        drop(place);
        assert_eq!(mirrors.bytes.load(Ordering::Relaxed), 0);
        assert_eq!(upstream.mirror.pending(), 0);
    }

    #[test]
    fn what_does_not_fit_takes_nothing() {
        let (mirrors, _waiting) = queue();
        let upstream = upstream();
        let most = mirrors.place(&upstream, COPIES_BYTES_MAX).expect("room");
        assert!(matches!(mirrors.place(&upstream, 1), Err("memory_full")));
        assert_eq!(upstream.mirror.pending(), 1);
        drop(most);
        assert!(mirrors.place(&upstream, 1).is_ok());
    }
}
