//! Which requests are copied, and what their copies say.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Uri};
use route_table::table::Route;

use crate::balance::Instant;
use crate::canonical::CanonicalPath;
use crate::defaults::COPY_BODY_BYTES_MAX;
use crate::edge::Exchange;
use crate::edge::forwarded::X_SHADOW;
use crate::mirror::queue::Place;
use crate::routing::Snapshot;
use crate::state::GatewayState;
use crate::upstream::{self, Affinity};

/// A request as its route's upstream is to get it, for a mirror to get the same.
#[derive(Debug)]
pub(crate) struct Original<'m> {
    pub(crate) snapshot: &'m Arc<Snapshot>,
    pub(crate) route: &'m Route,
    /// With the client's identity and without what is between us and the client.
    pub(crate) head: &'m Parts,
    /// The client's own.
    pub(crate) uri: &'m Uri,
    pub(crate) path: &'m CanonicalPath<'m>,
    pub(crate) host: Option<&'m HeaderValue>,
    /// Bytes of the body, as announced.
    pub(crate) length: Option<u64>,
    /// For the answer.
    pub(crate) timeout: Duration,
}

/// A copy without its body. Boxed: what is not copied should not make room for it.
#[derive(Debug)]
pub(crate) struct Begun {
    gateway: Arc<GatewayState>,
    place: Place,
    snapshot: Arc<Snapshot>,
    head: Request<()>,
    affinity: Affinity,
    names_endpoint: bool,
    timeout: Duration,
}

/// A copy that waits to be sent.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(super) place: Place,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) request: Request<Bytes>,
    pub(super) affinity: Affinity,
    /// The client's host is not passed on.
    pub(super) names_endpoint: bool,
    /// When it began to wait.
    pub(super) begun: Instant,
    /// For waiting, and once more for the answer.
    pub(super) timeout: Duration,
}

/// Begins a copy for the mirror of the request's route. `None`: this request is not for it, or the copy
/// does not fit, which is counted.
pub(crate) fn begin(exchange: &Exchange, original: &Original<'_>) -> Option<Box<Begun>> {
    let rules = original.route.policy.mirror?;
    let mirror = original.snapshot.upstream(rules.upstream);
    if !rules.takes(&original.head.method, exchange.upstream)
        || fastrand::u32(..100) >= rules.percent
    {
        return None;
    }
    let gateway = &exchange.gateway;
    let drop_because = |reason| {
        let name = &mirror.config.name;
        gateway.metrics.count_copy(name, reason);
        None
    };
    if original
        .length
        .is_some_and(|length| length > COPY_BODY_BYTES_MAX as u64)
    {
        return drop_because("body_too_large");
    }
    if mirror.mirror.paused_until(gateway.clock.now()).is_some() {
        return drop_because("mirror_failing");
    }
    let config = &mirror.config;
    let target =
        upstream::request_target(original.uri, original.path, config.strip_prefix.as_deref())?;
    let place = match gateway.mirrors.place(mirror, size(original.head, &target)) {
        Ok(place) => place,
        Err(reason) => return drop_because(reason),
    };
    let timeout = original.timeout;
    let mut head = Request::new(());
    *head.method_mut() = original.head.method.clone();
    *head.uri_mut() = target;
    *head.headers_mut() = original.head.headers.clone();
    let headers = head.headers_mut();
    let host = original.host.filter(|_| config.preserve_host);
    let names_endpoint = host.is_none();
    if let Some(host) = host {
        headers.insert(HOST, host.clone());
    }
    tell(headers, exchange, timeout);
    Some(Box::new(Begun {
        affinity: Affinity::of(mirror, original.head, exchange.client),
        gateway: Arc::clone(gateway),
        place,
        snapshot: Arc::clone(original.snapshot),
        head,
        names_endpoint,
        timeout,
    }))
}

/// What a mirror is told besides.
fn tell(headers: &mut HeaderMap, exchange: &Exchange, timeout: Duration) {
    headers.insert(X_SHADOW, HeaderValue::from_static("1"));
    upstream::set_traceparent(headers, &exchange.trace);
    upstream::tell_deadline(headers, Some(timeout));
}

/// Roughly, in memory.
fn size(head: &Parts, target: &Uri) -> usize {
    let fields = head.headers.iter();
    let fields: usize = fields
        .map(|(name, value)| name.as_str().len() + value.len() + 64)
        .sum();
    fields + target.path().len() + target.query().map_or(0, str::len) + 512
}

impl Begun {
    /// Makes room for so many bytes of the body; `false`: they do not fit.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        self.place.grow(bytes)
    }

    /// Hands the copy over.
    pub(crate) fn send(self, body: Bytes) {
        let Self {
            gateway,
            place,
            snapshot,
            head,
            affinity,
            names_endpoint,
            timeout,
        } = self;
        let mirror = Arc::clone(place.mirror());
        let fits = gateway.mirrors.push(Copy {
            place,
            snapshot,
            request: head.map(|()| body),
            affinity,
            names_endpoint,
            begun: gateway.clock.now(),
            timeout,
        });
        if !fits {
            gateway
                .metrics
                .count_copy(&mirror.config.name, "queue_full");
        }
    }

    pub(super) fn drop_because(self, reason: &'static str) {
        let mirror = &self.place.mirror().config.name;
        self.gateway.metrics.count_copy(mirror, reason);
    }
}
