//! How many requests of a key may be under way at once.
//!
//! A key is remembered only while requests of it are: there is nothing to forget, and never more keys than
//! requests.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;

/// Parts of the keys, so that workers seldom meet at one.
const SHARDS: usize = 32;

/// The requests under way of one limit.
#[derive(Debug)]
pub(crate) struct InUse {
    max: u32,
    shards: [Mutex<HashMap<u128, u32>>; SHARDS],
}

/// A request's place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    of: Arc<InUse>,
    key: u128,
}

impl InUse {
    pub(crate) fn new(max: u32) -> Self {
        Self {
            max,
            shards: Default::default(),
        }
    }

    fn shard(&self, key: u128) -> &Mutex<HashMap<u128, u32>> {
        let shards = SHARDS as u128;
        let index = usize::try_from(key % shards).unwrap_or(0);
        self.shards
            .get(index)
            .expect("a remainder is below its divisor")
    }

    /// Takes a place for a request of `key`, and says how many are left; `None` when all are taken.
    pub(crate) fn take(self: &Arc<Self>, key: u128) -> Option<(Place, u32)> {
        let mut shard = self.shard(key).lock();
        let taken = shard.entry(key).or_default();
        if *taken >= self.max {
            return None;
        }
        *taken += 1;
        let left = self.max - *taken;
        drop(shard);
        let of = Arc::clone(self);
        Some((Place { of, key }, left))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut shard = self.of.shard(self.key).lock();
        if let Entry::Occupied(mut taken) = shard.entry(self.key) {
            *taken.get_mut() -= 1;
            if *taken.get() == 0 {
                taken.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_given_back_can_be_taken_again() {
        let in_use = Arc::new(InUse::new(2));
        let (first, left) = in_use.take(1).expect("a place");
        assert_eq!(left, 1);
        let (second, left) = in_use.take(1).expect("a place");
        assert_eq!(left, 0);
        assert!(in_use.take(1).is_none());
        assert!(
            in_use.take(2).is_some(),
            "another key has places of its own"
        );
        drop(first);
        assert!(in_use.take(1).is_some());
        drop(second);
        let remembered = in_use.shards.iter().map(|shard| shard.lock().len());
        assert_eq!(remembered.sum::<usize>(), 0);
    }

    #[test]
    fn threads_never_take_more_than_there_are() {
        let in_use = Arc::new(InUse::new(3));
        std::thread::scope(|scope| {
            let worker = || {
                (0..5_000)
                    .filter_map(|_| in_use.take(7))
                    .all(|(_place, left)| left < 3)
            };
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
            assert!(workers.into_iter().all(|worker| worker.join().unwrap()));
        });
        assert_eq!(in_use.take(7).map(|(_, left)| left), Some(2));
    }
}
