//! What ties a request to one endpoint rather than another.

use std::net::IpAddr;

use http::HeaderValue;
use http::request::Parts;

use crate::balance::{Endpoint, Instant, Selection, hash_key, sticky};
use crate::edge::forwarded;
use crate::upstream::UpstreamState;

/// Read off a request before it is forwarded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Affinity {
    /// Of what consistent hashing goes by.
    pub(super) hash: u64,
    /// The endpoint that the client's sticky cookie names.
    pub(super) cookie: Option<u64>,
    /// Whether the client has come by https.
    https: bool,
}

impl Affinity {
    /// For a question of the gateway's own: any endpoint will do.
    pub(crate) fn none() -> Self {
        Self {
            hash: fastrand::u64(..),
            cookie: None,
            https: false,
        }
    }

    /// What to select by for a request that has tried nobody.
    pub(crate) fn selection(self, random: u64, now: Instant) -> Selection<'static> {
        Selection {
            tried: &[],
            sticky: self.cookie,
            hash: self.hash,
            random,
            now,
        }
    }

    /// `head` is the upstream's but for cookies of ours.
    pub(crate) fn of(upstream: &UpstreamState, head: &Parts, client: IpAddr) -> Self {
        let config = &upstream.config;
        let hash = if config.balance.goes_by_key() {
            hash_key(&config.hash, client, head.uri.path(), &head.headers)
        } else {
            0
        };
        let cookie = config.sticky.as_ref();
        Self {
            hash,
            cookie: cookie.and_then(|cookie| sticky::read(&head.headers, &cookie.name)),
            https: cookie.is_some() && forwarded::tells_https(&head.headers),
        }
    }

    /// The `Set-Cookie` for a client that another endpoint has answered than the one it named.
    pub(super) fn renewed(&self, upstream: &UpstreamState, by: &Endpoint) -> Option<HeaderValue> {
        let cookie = upstream.config.sticky.as_ref()?;
        let name = upstream.endpoints().cookie_of(by)?;
        if self.cookie == Some(name) {
            return None;
        }
        sticky::set_cookie(cookie, name, self.https)
    }
}
