//! One issuer as the running gateway knows it: its rules, its keys now, the tokens seen before.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use route_table::table::{JwtRules, Provider};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::cache::TokenCache;
use super::compact::Compact;
use super::disk::{Copied, KeyCopies};
use super::fetch;
use super::jwks::KeySet;
use super::schedule::KEYS_TTL;
use super::verifier::Verifier;
use crate::auth::caller::Identity;
use crate::auth::refused::Reason;
use crate::telemetry::Metrics;

/// How long a request waits for keys that are just being fetched.
pub(super) const REFETCH_WAIT: Duration = Duration::from_secs(1);

/// Shortest time between two fetches that tokens with unknown keys ask for: anyone can make up a `kid`.
pub(super) const REFETCH_COOL_DOWN: Duration = Duration::from_secs(10);

/// An issuer's live state. Workers share it; they read, the refresh task writes.
#[derive(Debug)]
pub(in crate::auth) struct Authenticator {
    verifier: Verifier,
    keys: ArcSwap<Keys>,
    cache: TokenCache,
    signals: Arc<Signals>,
    /// Absent until [`Self::report_to`].
    metrics: OnceLock<Metrics>,
    refresh_task: Mutex<Option<AbortHandle>>,
}

/// The keys at one time.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    /// Counts the sets that differed; cached tokens hold for one of them.
    pub(super) generation: u64,
    /// False before there are any and when the issuer was away for too long.
    pub(super) serving: bool,
    pub(super) set: Arc<KeySet>,
    pub(super) fetched_at: Option<Instant>,
}

/// How requests and the refresh task talk, without waiting for one another's threads.
#[derive(Debug)]
pub(super) struct Signals {
    /// Asks for a fetch now.
    pub(super) wanted: Notify,
    /// Counts the fetches that have ended, well or badly.
    pub(super) ended: watch::Sender<u64>,
    /// A fetch is running or about to.
    pub(super) running: AtomicBool,
    last_asked: Mutex<Option<Instant>>,
}

impl Authenticator {
    /// Makes an issuer's state, with the keys of a `previous` one that has the same `jwks_uri`.
    pub(in crate::auth) fn new(
        provider: &Provider,
        rules: &JwtRules,
        previous: Option<&Self>,
    ) -> Self {
        let keys = previous
            .map(|previous| Keys::clone(&previous.keys.load()))
            .unwrap_or_default();
        Self {
            verifier: Verifier::new(provider.clone(), rules.clone()),
            keys: ArcSwap::from_pointee(keys),
            cache: TokenCache::new(),
            signals: Arc::new(Signals::new()),
            metrics: OnceLock::new(),
            refresh_task: Mutex::new(None),
        }
    }

    pub(in crate::auth) fn provider(&self) -> &Provider {
        self.verifier.provider()
    }

    pub(in crate::auth) fn rules(&self) -> &JwtRules {
        self.verifier.rules()
    }

    /// Verifies a token with the keys at hand, at `now` in seconds since 1970. Never waits.
    pub(super) fn verify(&self, token: &str, now: u64) -> Result<Arc<Identity>, Reason> {
        let keys = self.keys.load();
        if keys.serving
            && let Some(known) = self.cache.get(token, keys.generation)
        {
            if let Err(reason) = self.verifier.in_time(&known, now) {
                self.cache.forget(token);
                return Err(reason);
            }
            return Ok(Arc::clone(&known.identity));
        }
        let compact = Compact::read(token)?;
        let claims = self.verifier.claims_of(&compact)?;
        // Whatever is wrong with it in any case has been said: from here on keys are needed.
        if !keys.serving {
            return Err(Reason::KeysUnavailable);
        }
        compact.check_signature(&keys.set)?;
        let verified = Arc::new(self.verifier.check_claims(claims, now)?);
        if let Some(metrics) = self.metrics.get() {
            metrics.count_token_verified(&self.provider().name);
        }
        self.cache.insert(token, keys.generation, &verified);
        Ok(Arc::clone(&verified.identity))
    }

    /// Verifies a token; when its key is unknown or keys are not there yet, waits up to
    /// [`REFETCH_WAIT`] for a fetch that is running, or that may be asked for now.
    pub(in crate::auth) async fn verify_or_refetch(
        &self,
        token: &str,
        now: u64,
    ) -> Result<Arc<Identity>, Reason> {
        match self.verify(token, now) {
            Err(reason @ (Reason::UnknownKey | Reason::KeysUnavailable)) => {
                let may_ask = reason == Reason::UnknownKey;
                if self.signals.fetch_ended(may_ask).await {
                    self.verify(token, now)
                } else {
                    Err(reason)
                }
            }
            verdict => verdict,
        }
    }

    pub(super) fn keys(&self) -> Arc<Keys> {
        self.keys.load_full()
    }

    pub(super) fn metrics(&self) -> Option<&Metrics> {
        self.metrics.get()
    }

    #[cfg(test)]
    pub(super) fn refresh_handle(&self) -> Option<AbortHandle> {
        self.refresh_task.lock().clone()
    }

    /// Publishes keys. Only the refresh task writes, so that read and write need not be one step.
    pub(super) fn publish(&self, keys: Keys) {
        self.keys.store(Arc::new(keys));
    }

    /// Says where to count, once.
    pub(in crate::auth) fn report_to(&self, metrics: &Metrics) {
        self.metrics.get_or_init(|| metrics.clone());
    }

    /// Starts the task that keeps the keys fresh, once; it ends with this authenticator. Until its first
    /// fetch a copy of earlier keys serves, if there is one.
    pub(in crate::auth) fn start_refreshing(
        self: &Arc<Self>,
        runtime: &Handle,
        client: &reqwest::Client,
        copies: &KeyCopies,
    ) {
        let mut task = self.refresh_task.lock();
        if task.is_some() {
            return;
        }
        let copy = copies.of(&self.rules().jwks_uri);
        if let Some(copied) = copy.read() {
            self.serve_copy(copied);
        }
        self.signals.running.store(true, Ordering::Release);
        let (weak, signals) = (Arc::downgrade(self), Arc::clone(&self.signals));
        let refresh = fetch::refresh(weak, signals, client.clone(), copy);
        *task = Some(runtime.spawn(refresh).abort_handle());
    }

    /// Serves keys that an earlier process fetched, where there are no newer ones.
    fn serve_copy(&self, copied: Copied) {
        let fetched_at = Instant::now().checked_sub(copied.age);
        if self.keys.load().fetched_at.is_some() || fetched_at.is_none() {
            return;
        }
        let serving = copied.age < KEYS_TTL.saturating_add(self.rules().stale_keys);
        let (provider, age_s) = (&self.provider().name, copied.age.as_secs());
        tracing::info!(%provider, age_s, serving, "keys read from their copy");
        self.publish(Keys {
            generation: 1,
            serving,
            set: Arc::new(copied.set),
            fetched_at,
        });
    }
}

impl Drop for Authenticator {
    fn drop(&mut self) {
        if let Some(task) = self.refresh_task.get_mut() {
            task.abort();
        }
    }
}

impl Signals {
    fn new() -> Self {
        Self {
            wanted: Notify::new(),
            ended: watch::Sender::new(0),
            running: AtomicBool::new(false),
            last_asked: Mutex::new(None),
        }
    }

    /// Waits for the end of a fetch that is running; with `may_ask` starts one if none is and the
    /// cool-down allows. Returns whether a fetch has ended.
    async fn fetch_ended(&self, may_ask: bool) -> bool {
        // Subscribed before `running` is read: an end after that can't be missed.
        let mut ended = self.ended.subscribe();
        let coming = self.running.load(Ordering::Acquire) || (may_ask && self.ask());
        if !coming {
            return false;
        }
        matches!(timeout(REFETCH_WAIT, ended.changed()).await, Ok(Ok(())))
    }

    fn ask(&self) -> bool {
        let mut last_asked = self.last_asked.lock();
        let now = Instant::now();
        if last_asked.is_some_and(|last| now - last < REFETCH_COOL_DOWN) {
            return false;
        }
        *last_asked = Some(now);
        self.running.store(true, Ordering::Release);
        self.wanted.notify_one();
        true
    }
}
