//! Sessions and login attempts, in memory and bounded.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use composition::{Caller, Segment};
use moka::sync::Cache;

use crate::session::Provider;
use crate::session::random::digest;
use crate::session::tokens::Tokens;

/// Sessions at once; the least recently used ones go first.
const SESSIONS_MAX: u64 = 100_000;

/// A session ends after this long without a visit.
const SESSION_IDLE: Duration = Duration::from_secs(30 * 60);

/// A session ends after this long, visits or not.
const SESSION_LIFETIME: Duration = Duration::from_secs(8 * 60 * 60);

/// How long a person may take to sign in.
pub(super) const LOGIN_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Login attempts at once.
const LOGINS_MAX: u64 = 10_000;

/// A browser that is signed in.
pub(crate) struct Session {
    /// The token's subject.
    pub(crate) user: Segment,
    pub(crate) name: String,
    /// What a form must bring along to prove that it is ours.
    pub(crate) form_token: String,
    /// Proves to the provider, when it is asked to sign out, whose session is meant.
    pub(super) id_token: String,
    pub(super) tokens: Arc<Tokens>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A person on the way to the provider and back.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
    /// A local address.
    pub(super) return_to: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("return_to", &self.return_to)
            .finish_non_exhaustive()
    }
}

/// All of them. Ids are kept as digests only: who reads memory or a dump can't take a session over.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    sessions: Cache<String, Arc<Session>>,
    logins: Cache<String, Login>,
}

impl Sessions {
    pub(crate) fn new() -> Self {
        let sessions = Cache::builder()
            .max_capacity(SESSIONS_MAX)
            .time_to_idle(SESSION_IDLE)
            .time_to_live(SESSION_LIFETIME);
        let logins = Cache::builder()
            .max_capacity(LOGINS_MAX)
            .time_to_live(LOGIN_TIMEOUT);
        Self {
            sessions: sessions.build(),
            logins: logins.build(),
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Session>> {
        let key = digest(id);
        let session = self.sessions.get(&key)?;
        if session.tokens.are_over() {
            self.sessions.invalidate(&key);
            return None;
        }
        Some(session)
    }

    /// The session's person with a token that is good now; `None` while there is none to be had.
    pub(crate) async fn caller(&self, session: &Session, provider: &Provider) -> Option<Caller> {
        let token = session.tokens.access(provider).await?;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
        authorization.set_sensitive(true);
        Some(Caller {
            user: session.user.clone(),
            authorization,
        })
    }

    pub(super) fn insert(&self, id: &str, session: Session) {
        self.sessions.insert(digest(id), Arc::new(session));
    }

    pub(super) fn remove(&self, id: &str) {
        self.sessions.invalidate(&digest(id));
    }

    pub(super) fn begin(&self, id: &str, login: Login) {
        self.logins.insert(digest(id), login);
    }

    /// Takes an attempt out: it can be finished once.
    pub(super) fn finish(&self, id: &str) -> Option<Login> {
        self.logins.remove(&digest(id))
    }
}
