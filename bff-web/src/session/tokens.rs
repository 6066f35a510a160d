//! A session's tokens, kept fresh.
//!
//! One request at a time asks the provider, in a task of its own: a refresh token that rotates is good
//! once, so neither may two use it, nor may a browser that leaves take the answer with it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chassis::Context;
use parking_lot::Mutex;

use crate::session::Provider;
use crate::session::provider::TokenAnswer;

/// Time before its end at which an access token is replaced; until then it still serves.
const EARLY: Duration = Duration::from_secs(60);

/// The tokens of one session.
pub(super) struct Tokens {
    current: Mutex<Current>,
    /// Held by whoever is asking the provider.
    refreshing: Arc<tokio::sync::Mutex<()>>,
    /// The provider will give no more.
    over: AtomicBool,
}

#[derive(Clone)]
struct Current {
    access: String,
    ends: Instant,
    refresh: Option<String>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(…)")
    }
}

impl Tokens {
    pub(super) fn new(answer: TokenAnswer) -> Self {
        Self {
            current: Mutex::new(Current::of(answer, None)),
            refreshing: Arc::default(),
            over: AtomicBool::new(false),
        }
    }

    /// Whether there is nothing left of them: the session has ended.
    pub(super) fn are_over(&self) -> bool {
        let current = self.current.lock();
        self.over.load(Ordering::Acquire)
            || (current.refresh.is_none() && current.ends <= Instant::now())
    }

    /// An access token that is good now. Near its end it is replaced behind the request's back; past its
    /// end the request waits for the new one. `None` when there is none to be had at the moment.
    pub(super) async fn access(self: &Arc<Self>, provider: &Provider) -> Option<String> {
        let current = self.current();
        let left = current.ends.saturating_duration_since(Instant::now());
        if left > EARLY || (current.refresh.is_none() && !left.is_zero()) {
            return Some(current.access);
        }
        let refreshing = self.refresh_in_background(provider, !left.is_zero());
        if !left.is_zero() {
            return Some(current.access);
        }
        refreshing.await.ok();
        let current = self.current();
        (current.ends > Instant::now() && !self.are_over()).then_some(current.access)
    }

    /// `optional`: only when nobody else is at it.
    fn refresh_in_background(
        self: &Arc<Self>,
        provider: &Provider,
        optional: bool,
    ) -> tokio::task::JoinHandle<()> {
        let (tokens, provider) = (Arc::clone(self), provider.clone());
        // The request's trace and id, but not its deadline: the answer must not be lost.
        let context = Context {
            deadline: None,
            ..Context::current()
        };
        tokio::spawn(context.scope(async move {
            let lock = Arc::clone(&tokens.refreshing);
            let _turn = match lock.try_lock_owned() {
                Ok(turn) => turn,
                Err(_) if optional => return,
                Err(_) => Arc::clone(&tokens.refreshing).lock_owned().await,
            };
            tokens.refresh(&provider).await;
        }))
    }

    async fn refresh(&self, provider: &Provider) {
        let before = self.current();
        let still_good = before.ends > Instant::now() + EARLY;
        // Whoever was at it before us has done it.
        if still_good || self.are_over() {
            return;
        }
        let Some(refresh) = before.refresh else {
            return;
        };
        match provider.refresh(&refresh).await {
            Ok(answer) => *self.current.lock() = Current::of(answer, Some(refresh)),
            Err(error) if error.is_invalid_grant() => {
                tracing::info!("the provider has ended a session");
                self.over.store(true, Ordering::Release);
            }
            // It may be back before the token ends.
            Err(error) => tracing::warn!(%error, "a token could not be refreshed"),
        }
    }

    fn current(&self) -> Current {
        self.current.lock().clone()
    }
}

impl Current {
    /// A provider that does not rotate refresh tokens sends none: the one before goes on.
    fn of(answer: TokenAnswer, before: Option<String>) -> Self {
        Self {
            access: answer.access_token,
            ends: Instant::now() + Duration::from_secs(answer.expires_in.min(24 * 60 * 60)),
            refresh: answer.refresh_token.or(before),
        }
    }
}
