//! Copies of requests for an upstream whose answers nobody hears.

use http::Method;

use crate::table::UpstreamId;

/// `mirror:` of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mirror {
    pub upstream: UpstreamId,
    /// Share of the route's requests, 1 to 100; default 100.
    pub percent: u32,
    /// Whether requests that may change something are copied too: the upstream is cut off from whatever
    /// the real ones change. Default no: GET, HEAD and OPTIONS alone.
    pub isolated: bool,
}

impl Mirror {
    /// Whether requests with this method, served by this upstream, are copied.
    #[must_use]
    pub fn takes(&self, method: &Method, serving: Option<UpstreamId>) -> bool {
        // A migration or a split may serve the request by the mirror itself, which would get it twice.
        (self.isolated || method.is_safe()) && serving != Some(self.upstream)
    }
}
