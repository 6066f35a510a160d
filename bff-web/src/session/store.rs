//! Sessions and login attempts, in memory and bounded.

use std::time::Duration;

use moka::sync::Cache;

use crate::session::random::digest;

/// Sessions at once; the least recently used ones go first.
const SESSIONS_MAX: u64 = 100_000;

/// A session ends after this long without a visit.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// How long a person may take to sign in.
pub(super) const LOGIN_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Login attempts at once.
const LOGINS_MAX: u64 = 10_000;

/// A browser that is signed in.
#[derive(Clone)]
pub(crate) struct Session {
    /// The token's subject.
    pub(crate) user: String,
    pub(crate) name: String,
    pub(crate) access_token: String,
    /// When the access token ends; with it, for now, the session.
    pub(crate) expires_at: std::time::Instant,
    /// What a form must bring along to prove that it is ours.
    pub(crate) form_token: String,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

/// All of them. Ids are kept as digests only: who reads memory or a dump can't take a session over.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    sessions: Cache<String, Session>,
    logins: Cache<String, Login>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("return_to", &self.return_to)
            .finish_non_exhaustive()
    }
}

impl Sessions {
    pub(crate) fn new() -> Self {
        let sessions = Cache::builder()
            .max_capacity(SESSIONS_MAX)
            .time_to_idle(IDLE_TIMEOUT);
        let logins = Cache::builder()
            .max_capacity(LOGINS_MAX)
            .time_to_live(LOGIN_TIMEOUT);
        Self {
            sessions: sessions.build(),
            logins: logins.build(),
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<Session> {
        let session = self.sessions.get(&digest(id))?;
        (session.expires_at > std::time::Instant::now()).then_some(session)
    }

    pub(super) fn insert(&self, id: &str, session: Session) {
        self.sessions.insert(digest(id), session);
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
