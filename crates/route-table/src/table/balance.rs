//! How one endpoint is chosen among many.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

/// Declares the policies with their names in the file, so that none can be without one.
macro_rules! policies {
    ($($(#[$about:meta])* $policy:ident = $name:literal,)*) => {
        /// A load-balancing policy. A new one gets its line here; what it does is in the gateway's
        /// `balance` module.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub enum Balance {
            $($(#[$about])* $policy,)*
        }

        impl Balance {
            /// Every policy by its name in the file.
            pub const NAMED: &[(&str, Self)] = &[$(($name, Self::$policy)),*];

            /// Its name in the file.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$policy => $name,)*
                }
            }
        }
    };
}

policies! {
    /// The better of two random endpoints by peak EWMA of latency times requests in flight.
    #[default]
    PeakEwma = "peak_ewma",
    /// The better of two random endpoints by requests in flight.
    LeastRequest = "least_request",
    /// Each in turn, by weight.
    RoundRobin = "round_robin",
    /// Any, by weight.
    Random = "random",
    /// The same endpoint for the same key, with few moves when endpoints come and go.
    Maglev = "maglev",
    /// As [`Balance::Maglev`], but for what would go to an endpoint that has too much to do already.
    BoundedMaglev = "bounded_maglev",
}

impl Balance {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_stands_in_the_documentation() {
        let pages = [
            include_str!("../../../../docs/balancing.md"),
            include_str!("../../../../docs/routes-yaml.md"),
        ];
        for (name, _) in Balance::NAMED {
            let quoted = format!("`{name}`");
            assert!(pages.iter().all(|page| page.contains(&quoted)), "{name}");
        }
    }
}
