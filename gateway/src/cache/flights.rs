//! Of those who ask for one answer at the same time, one goes to the upstream and the others wait for it.
//!
//! They wait for its headers to know whether the answer is one for all; if not, all of them go on at once,
//! and those after them do not wait at all for a while. A leader that leaves before its answer is kept
//! wakes the others, one of which leads then. Nobody waits for longer than a bound.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::defaults::{CACHE_ALONE, CACHE_ALONE_MAX};

type Open = Mutex<HashMap<Arc<str>, watch::Receiver<Landing>>>;

/// Requests that are under way for an answer to be kept. The lock is held for one operation on a map, and
/// by requests alone that go to an upstream.
pub(crate) struct Flights {
    open: Arc<Open>,
    /// Keys whose answers were not to be kept lately.
    alone: moka::sync::Cache<Arc<str>, ()>,
}

/// What has become of a leader's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landing {
    UnderWay,
    /// Its answer is kept.
    Kept,
    /// The answer is nobody else's.
    NotToBeKept,
    /// The upstream failed: whoever asks again may fare better, and all at once.
    Failed,
    /// The leader has left.
    Gone,
}

/// What a request is to do.
#[derive(Debug)]
pub(crate) enum Join {
    Lead(Leader),
    Follow(watch::Receiver<Landing>),
    /// Go by itself.
    Alone,
}

/// The one that goes to the upstream. Dropped, it has left.
pub(crate) struct Leader {
    open: Arc<Open>,
    alone: moka::sync::Cache<Arc<str>, ()>,
    key: Arc<str>,
    landing: watch::Sender<Landing>,
}

impl Flights {
    pub(super) fn new() -> Self {
        Self {
            open: Arc::default(),
            alone: moka::sync::Cache::builder()
                .max_capacity(CACHE_ALONE_MAX)
                .time_to_live(CACHE_ALONE)
                .build(),
        }
    }

    pub(crate) fn join(&self, key: &Arc<str>) -> Join {
        let mut open = self.open.lock();
        if let Some(landing) = open.get(key) {
            return match self.alone.contains_key(key) {
                true => Join::Alone,
                false => Join::Follow(landing.clone()),
            };
        }
        let (landing, landed) = watch::channel(Landing::UnderWay);
        open.insert(Arc::clone(key), landed);
        Join::Lead(Leader {
            open: Arc::clone(&self.open),
            alone: self.alone.clone(),
            key: Arc::clone(key),
            landing,
        })
    }
}

impl Leader {
    /// Tells those who wait.
    pub(crate) fn land(self, landing: Landing) {
        match landing {
            Landing::NotToBeKept => self.alone.insert(Arc::clone(&self.key), ()),
            Landing::Kept => self.alone.invalidate(&self.key),
            Landing::UnderWay | Landing::Failed | Landing::Gone => {}
        }
        // Out of the map first: whoever is woken may have to lead.
        self.open.lock().remove(&self.key);
        self.landing.send_replace(landing);
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if *self.landing.borrow() == Landing::UnderWay {
            self.open.lock().remove(&self.key);
            self.landing.send_replace(Landing::Gone);
        }
    }
}

/// Waits for a leader for at most `limit`; `None`: it took longer.
pub(crate) async fn landed(
    mut landing: watch::Receiver<Landing>,
    limit: Duration,
) -> Option<Landing> {
    let landed = landing.wait_for(|landing| *landing != Landing::UnderWay);
    match tokio::time::timeout(limit, landed).await {
        Ok(Ok(landing)) => Some(*landing),
        // The sender says its last word before it goes.
        Ok(Err(_)) => Some(Landing::Gone),
        Err(_) => None,
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.open.lock().len();
        f.debug_struct("Flights").field("open", &open).finish()
    }
}

impl fmt::Debug for Leader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leader").field("key", &self.key).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    fn lead(flights: &Flights, key: &Arc<str>) -> Leader {
        match flights.join(key) {
            Join::Lead(leader) => leader,
            other => unreachable!("{other:?}"),
        }
    }

    fn follow(flights: &Flights, key: &Arc<str>) -> watch::Receiver<Landing> {
        match flights.join(key) {
            Join::Follow(landing) => landing,
            other => unreachable!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn one_leads_and_the_others_hear_what_became_of_it() {
        let (flights, key) = (Flights::new(), "k".into());
        let leader = lead(&flights, &key);
        let (one, other) = (follow(&flights, &key), follow(&flights, &key));
        leader.land(Landing::Kept);
        assert_eq!(landed(one, LIMIT).await, Some(Landing::Kept));
        assert_eq!(landed(other, LIMIT).await, Some(Landing::Kept));
        lead(&flights, &key);
    }

    #[tokio::test]
    async fn a_leader_that_leaves_lets_another_one_lead() {
        let (flights, key) = (Flights::new(), "k".into());
        let leader = lead(&flights, &key);
        let follower = follow(&flights, &key);
        drop(leader);
        assert_eq!(landed(follower, LIMIT).await, Some(Landing::Gone));
        let second = lead(&flights, &key);
        follow(&flights, &key);
        drop(second);
    }

    #[tokio::test]
    async fn where_answers_are_not_to_be_kept_nobody_waits_a_second_time() {
        let (flights, key) = (Flights::new(), "k".into());
        lead(&flights, &key).land(Landing::NotToBeKept);
        let second = lead(&flights, &key);
        assert!(matches!(flights.join(&key), Join::Alone));
        second.land(Landing::Kept);
        let third = lead(&flights, &key);
        follow(&flights, &key);
        drop(third);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_the_limit() {
        let (flights, key) = (Flights::new(), "k".into());
        let _leader = lead(&flights, &key);
        assert_eq!(landed(follow(&flights, &key), LIMIT).await, None);
    }
}
