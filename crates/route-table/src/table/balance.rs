//! How one endpoint is chosen among many.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

/// A load-balancing policy. A new one gets its variant and its name here; what it does is in the
/// gateway's `balance` module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Balance {
    /// The better of two random endpoints by peak EWMA of latency times requests in flight.
    #[default]
    PeakEwma,
    /// The better of two random endpoints by requests in flight.
    LeastRequest,
    /// Each in turn, by weight.
    RoundRobin,
    /// Any, by weight.
    Random,
    /// The same endpoint for the same key, with few moves when endpoints come and go.
    Maglev,
    /// As [`Balance::Maglev`], but for what would go to an endpoint that has too much to do already.
    BoundedMaglev,
}

impl Balance {
    /// Every policy by its name in the file.
    pub const NAMED: &[(&str, Self)] = &[
        ("peak_ewma", Self::PeakEwma),
        ("least_request", Self::LeastRequest),
        ("round_robin", Self::RoundRobin),
        ("random", Self::Random),
        ("maglev", Self::Maglev),
        ("bounded_maglev", Self::BoundedMaglev),
    ];

    /// Its name in the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        let named = Self::NAMED.iter().find(|(_, policy)| *policy == self);
        named.map_or("", |(name, _)| name)
    }

    /// Whether it goes by something in a request: by an upstream's [`HashKey`].
    #[must_use]
    pub fn goes_by_key(self) -> bool {
        matches!(self, Self::Maglev | Self::BoundedMaglev)
    }
}

/// What consistent hashing goes by. What is absent in a request counts as the client's address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum HashKey {
    #[default]
    ClientIp,
    Header(HeaderName),
    Cookie(Arc<str>),
    Path,
}

/// A cookie that names an endpoint without giving away its address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StickyCookie {
    pub name: Arc<str>,
    /// `Max-Age`; none: until the browser closes.
    pub ttl: Option<Duration>,
    /// Keys the cookie's value, so that nobody can try out addresses; the same on every gateway. None:
    /// the value is a plain hash.
    pub secret: Option<Secret>,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Arc<str>);

impl Secret {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// What it is, for whoever computes with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
