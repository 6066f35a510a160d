//! Answers that are kept, and for whom.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

/// `cache:` at the top of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheMemory {
    /// Bytes of answers that are kept in all, heads included; default 64 MiB.
    pub bytes: u64,
}

/// `cache:` of a route.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CachePolicy {
    /// How long an answer is fresh that does not say so itself; `None`: it is not.
    pub ttl: Option<Duration>,
    /// For how long a stale answer is served while it is revalidated, where it does not say so itself.
    pub stale_while_revalidate: Duration,
    /// For how long a stale answer is served while the upstream fails, where it does not say so itself.
    pub stale_if_error: Duration,
    /// Larger bodies are not kept; default 1 MiB.
    pub body_bytes_max: u64,
    /// Request headers that are part of the key, whatever `Vary` says.
    pub headers: Vec<HeaderName>,
    /// Which parameters of the query are part of the key.
    pub query: QueryKey,
    /// Answers are one user's; by default everybody's.
    pub per_user: Option<UserKey>,
}

/// Parameters of a query. A name that ends in `*` stands for all that begin so.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum QueryKey {
    /// The whole query, as it is written.
    #[default]
    All,
    Only(Vec<Arc<str>>),
    Without(Vec<Arc<str>>),
}

/// By what users are told apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UserKey {
    /// A claim of the verified token.
    Claim(Arc<str>),
    /// The value of a cookie.
    Cookie(Arc<str>),
}

impl QueryKey {
    /// Whether the parameter of this name tells requests apart.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        let is_in = |names: &[Arc<str>]| {
            names.iter().any(|known| match known.strip_suffix('*') {
                Some(beginning) => name.starts_with(beginning),
                None => **known == *name,
            })
        };
        match self {
            Self::All => true,
            Self::Only(names) => is_in(names),
            Self::Without(names) => !is_in(names),
        }
    }
}
