//! The buckets of one limit: bounded, shared by all workers.
//!
//! When more keys are active than fit, the least used lose their state, which can only help their
//! clients: a bucket that comes back is full. TinyLFU keeps the busy ones, those that a limit is for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use moka::sync::Cache;
use route_table::table::Rate;

use super::gcra::{Gcra, Verdict};

/// Keys that one limit remembers; some 15 MiB when full.
pub(crate) const KEYS_MAX: u64 = 100_000;

/// One GCRA bucket for each key.
pub(crate) struct Buckets {
    gcra: Gcra,
    /// Zero of the buckets' time.
    origin: Instant,
    by_key: Cache<u128, Arc<AtomicU64>>,
}

impl Buckets {
    pub(crate) fn new(rate: Rate) -> Self {
        let by_key = Cache::builder().max_capacity(KEYS_MAX).build();
        Self {
            gcra: Gcra::new(rate),
            origin: Instant::now(),
            by_key,
        }
    }

    pub(crate) fn check(&self, key: u128, now: Instant) -> Verdict {
        let since_origin = now.saturating_duration_since(self.origin);
        let now = u64::try_from(since_origin.as_nanos()).unwrap_or(u64::MAX);
        // Two steps: the second one allocates, and only a new key needs it.
        match self.by_key.get(&key) {
            Some(tat) => self.gcra.check(&tat, now),
            None => self
                .gcra
                .check(&self.by_key.get_with(key, Arc::default), now),
        }
    }
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.by_key.entry_count();
        f.debug_struct("Buckets")
            .field("gcra", &self.gcra)
            .field("keys", &keys)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_key_has_its_own_bucket() {
        let buckets = Buckets::new(Rate {
            count: 1,
            period: Duration::from_secs(60),
            burst: 1,
        });
        let now = Instant::now();
        assert!(buckets.check(1, now).allowed);
        assert!(!buckets.check(1, now).allowed);
        assert!(buckets.check(2, now).allowed);
        assert!(buckets.check(1, now + Duration::from_secs(60)).allowed);
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let buckets = Buckets::new(Rate {
            count: 1,
            period: Duration::from_secs(60),
            burst: 1,
        });
        let now = Instant::now();
        for key in 0..u128::from(KEYS_MAX) + 5_000 {
            buckets.check(key, now);
        }
        buckets.by_key.run_pending_tasks();
        assert!(buckets.by_key.entry_count() <= KEYS_MAX);
    }
}
