//! What others said of callers, for as long as it holds.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Context, SHA256};
use moka::sync::Cache;
use route_table::table::{Asked, Provider};

use crate::auth::caller::Identity;
use crate::auth::refused::{Reason, Refusal};
use crate::telemetry::Metrics;

/// Callers of one provider that are remembered.
const CALLERS_MAX: u64 = 10_000;

/// What a caller brought, by its hash: neither tokens nor cookies are kept.
pub(super) type Key = [u8; 32];

/// The yes of one provider; a no is asked for anew each time.
pub(super) struct Verdicts {
    provider: Arc<str>,
    cache: Duration,
    stale: Duration,
    remembered: Cache<Key, Arc<Remembered>>,
    metrics: OnceLock<Metrics>,
}

#[derive(Debug)]
struct Remembered {
    identity: Arc<Identity>,
    since: Instant,
    /// How long it holds at most, by what the one who was asked has said.
    lifetime_max: Duration,
}

impl Verdicts {
    pub(super) fn new(provider: &Provider, asked: &Asked) -> Self {
        let lifetime = asked.cache.saturating_add(asked.stale);
        // Moka knows no time that is longer than a thousand years.
        let lifetime = lifetime.min(Duration::from_secs(365 * 24 * 3600));
        Self {
            provider: Arc::clone(&provider.name),
            cache: asked.cache,
            stale: asked.stale,
            remembered: Cache::builder()
                .max_capacity(CALLERS_MAX)
                .time_to_live(lifetime)
                .build(),
            metrics: OnceLock::new(),
        }
    }

    /// Whether an answer is about the caller alone, and holds for other requests of theirs.
    pub(super) fn remembers(&self) -> bool {
        !(self.cache.is_zero() && self.stale.is_zero())
    }

    pub(super) fn report_to(&self, metrics: &Metrics) {
        self.metrics.get_or_init(|| metrics.clone());
    }

    /// The key of what a caller brought, part by part.
    pub(super) fn key<'p>(parts: impl Iterator<Item = &'p [u8]>) -> Key {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        let digest = context.finish();
        digest.as_ref().first_chunk().copied().unwrap_or_default()
    }

    /// A yes that still holds, without asking.
    pub(super) fn fresh(&self, key: &Key) -> Option<Arc<Identity>> {
        let known = self.held(key, self.cache)?;
        self.count("remembered");
        Some(known)
    }

    fn held(&self, key: &Key, time: Duration) -> Option<Arc<Identity>> {
        if time.is_zero() {
            return None;
        }
        let known = self.remembered.get(key)?;
        let time = time.min(known.lifetime_max);
        (known.since.elapsed() < time).then(|| Arc::clone(&known.identity))
    }

    /// A yes, which holds for `lifetime_max` at most.
    pub(super) fn yes(&self, key: Key, identity: Arc<Identity>, lifetime_max: Duration) {
        self.count("yes");
        if self.remembers() {
            let remembered = Remembered {
                identity,
                since: Instant::now(),
                lifetime_max,
            };
            self.remembered.insert(key, Arc::new(remembered));
        }
    }

    /// A no: what was said before holds no longer.
    pub(super) fn no(&self, key: &Key) {
        self.count("no");
        self.remembered.invalidate(key);
    }

    /// No answer: what was said before may hold on.
    ///
    /// # Errors
    /// When nothing was, or too long ago.
    pub(super) fn nobody_answers(
        &self,
        key: &Key,
        why: &dyn fmt::Display,
    ) -> Result<Arc<Identity>, Refusal> {
        tracing::debug!(provider = %self.provider, %why, "a caller could not be asked about");
        match self.held(key, self.cache.saturating_add(self.stale)) {
            Some(known) if !self.stale.is_zero() => {
                self.count("stale");
                Ok(known)
            }
            _ => {
                self.count("failed");
                Err(Reason::CheckUnavailable.into())
            }
        }
    }

    fn count(&self, result: &'static str) {
        if let Some(metrics) = self.metrics.get() {
            metrics.count_auth_check(&self.provider, result);
        }
    }
}

impl fmt::Debug for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verdicts")
            .field("provider", &self.provider)
            .field("remembered", &self.remembered.entry_count())
            .finish()
    }
}
