//! The provider: everything that a request is answered from.

use anyhow::Context as _;
use parking_lot::Mutex;

use crate::Options;
use crate::clock::Clock;
use crate::domain::throttle::{RetryAfter, Throttle};
use crate::domain::user::{Directory, User};
use crate::issuer::Issuer;
use crate::signing_key::SigningKey;
use crate::store::Store;
use crate::tokens::Tokens;

/// The service's name in the registry, its logs and its database file.
pub(crate) const NAME: &str = "identity";

/// An OpenID provider.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) issuer: Issuer,
    pub(crate) store: Store,
    pub(crate) tokens: Tokens,
    pub(crate) users: Directory,
    pub(crate) clock: Clock,
    throttle: Mutex<Throttle>,
}

/// Why somebody was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoginRefused {
    WrongNameOrPassword,
    TooManyAttempts(RetryAfter),
}

impl Provider {
    /// Opens the database and the signing key, and makes both the first time.
    pub(crate) async fn open(options: &Options, clock: Clock) -> anyhow::Result<Self> {
        let settings = &options.service;
        let clients = options.clients.clients()?;
        tokio::fs::create_dir_all(&settings.data_dir)
            .await
            .with_context(|| format!("cannot create {}", settings.data_dir.display()))?;
        let key = SigningKey::load_or_create(&settings.data_dir).await?;
        let store = Store::open(&settings.database_url(NAME), &clients)
            .await
            .context("identity database")?;
        let issuer = options.issuer.clone();
        Ok(Self {
            tokens: Tokens::new(issuer.as_str().to_owned(), options.audience.clone(), key),
            users: Directory::seeded().context("seed/customers.json")?,
            throttle: Mutex::new(Throttle::default()),
            issuer,
            store,
            clock,
        })
    }

    /// Checks a name and a password, unless there were too many wrong ones.
    pub(crate) fn log_in(&self, name: &str, password: &str) -> Result<&User, LoginRefused> {
        self.throttle
            .lock()
            .admit(name, self.clock.now())
            .map_err(LoginRefused::TooManyAttempts)?;
        let user = self
            .users
            .authenticate(name, password)
            .ok_or(LoginRefused::WrongNameOrPassword)?;
        self.throttle.lock().succeeded(name);
        Ok(user)
    }
}
