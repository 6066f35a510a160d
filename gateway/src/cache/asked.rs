//! A request as the cache sees it: what it asks for, and on what terms.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, COOKIE, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, PRAGMA, RANGE,
};
use http::{HeaderMap, Method};
use http_body::Body as _;
use route_table::table::{CachePolicy, QueryKey, Route, UserKey};
use serde_json::Value;

use super::directives::Directives;
use crate::auth::Caller;
use crate::edge::{cookies, streaming, websocket};
use crate::extend::Body;

/// What a request is read from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'r> {
    pub(crate) request: &'r http::Request<Body>,
    /// The canonical path.
    pub(crate) path: &'r str,
    pub(crate) https: bool,
    pub(crate) caller: &'r Caller,
}

/// What the cache has to do with a request.
#[derive(Debug)]
pub(crate) enum Caching {
    /// It may be answered by what is kept.
    Read(Asked),
    /// It may change what is kept.
    Write(Target),
    /// Neither.
    Bypass,
}

/// A URI without its scheme.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(super) authority: String,
    pub(super) path: String,
    /// With its `?`; empty when there is none.
    pub(super) query: String,
}

/// A request that may be answered by what is kept.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) head: bool,
    /// As they came.
    pub(crate) headers: HeaderMap,
    pub(super) directives: Directives,
    /// `authority/path?query`, with the parameters that count.
    pub(super) uri: Arc<str>,
    /// What tells apart requests for one URI, but for `Vary`.
    pub(super) apart: String,
    pub(super) route: Arc<str>,
    /// The answers are one user's alone.
    pub(super) personal: bool,
    /// The request says who asks.
    pub(super) authorized: bool,
}

/// What the cache has to do with a request; `None` for nothing. `any` says whether any route's answers
/// are kept.
pub(crate) fn look(any: bool, route: &Route, seen: Request<'_>) -> Option<Box<Caching>> {
    // What leaves HTTP has no answer to keep.
    if !any || websocket::asked(seen.request).is_some() {
        return None;
    }
    if !seen.request.method().is_safe() {
        // Any route may change what another one keeps (RFC 9111, section 4.4).
        return Some(Box::new(Caching::Write(Target::of(seen, &QueryKey::All))));
    }
    let policy = route.policy.cache.as_ref()?;
    let asked = Asked::of(policy, route, seen);
    Some(Box::new(asked.map_or(Caching::Bypass, Caching::Read)))
}

impl Target {
    fn of(seen: Request<'_>, query: &QueryKey) -> Self {
        let uri = seen.request.uri();
        let host = seen.request.headers().get(http::header::HOST);
        let authority = match uri.authority() {
            Some(authority) => authority.as_str(),
            None => host.and_then(|host| host.to_str().ok()).unwrap_or(""),
        };
        Self {
            authority: plain_authority(authority),
            path: seen.path.to_owned(),
            query: counted(uri.query(), query),
        }
    }

    /// `authority/path?query`.
    pub(super) fn uri(&self) -> String {
        format!("{}{}{}", self.authority, self.path, self.query)
    }
}

/// Lower case, without the ports that need not be said.
pub(crate) fn plain_authority(authority: &str) -> String {
    let lower = authority.to_ascii_lowercase();
    let plain = lower
        .strip_suffix(":443")
        .or_else(|| lower.strip_suffix(":80"));
    plain.unwrap_or(&lower).to_owned()
}

/// The parameters that tell requests apart, in their order.
fn counted(query: Option<&str>, key: &QueryKey) -> String {
    let Some(query) = query else {
        return String::new();
    };
    if *key == QueryKey::All {
        return format!("?{query}");
    }
    let name = |pair: &str| {
        pair.split_once('=')
            .map_or(pair, |(name, _)| name)
            .to_owned()
    };
    let kept: Vec<_> = query
        .split('&')
        .filter(|pair| key.takes(&name(pair)))
        .collect();
    if kept.is_empty() {
        String::new()
    } else {
        format!("?{}", kept.join("&"))
    }
}

impl Asked {
    /// `None`: neither answered from the cache nor kept.
    fn of(policy: &CachePolicy, route: &Route, seen: Request<'_>) -> Option<Self> {
        let request = seen.request;
        let headers = request.headers();
        let readable = matches!(*request.method(), Method::GET | Method::HEAD)
            && request.body().is_end_stream()
            && !streaming::is_grpc(headers)
            // Their preconditions are the upstream's to judge.
            && !headers.contains_key(IF_MATCH)
            && !headers.contains_key(IF_UNMODIFIED_SINCE);
        let directives = request_directives(headers);
        if !readable || directives.has("no-store") {
            return None;
        }
        let user = policy.per_user.as_ref().and_then(|key| user(key, seen));
        Some(Self {
            head: *request.method() == Method::HEAD,
            directives,
            uri: Target::of(seen, &policy.query).uri().into(),
            apart: apart(policy, route, seen, user.as_deref()),
            route: Arc::clone(&route.name),
            personal: user.is_some(),
            // A token may have come elsewhere than in this field: it counts as if it had not.
            authorized: seen.caller.is_known() || headers.contains_key(AUTHORIZATION),
            headers: headers.clone(),
        })
    }

    /// The client would rather have an error than wait for the upstream.
    pub(crate) fn only_if_cached(&self) -> bool {
        self.directives.has("only-if-cached")
    }

    /// Whether a full answer to it may be kept: a HEAD has no body, and part of one is none.
    pub(crate) fn fills(&self) -> bool {
        !self.head && !self.headers.contains_key(RANGE)
    }

    /// Asks for the whole answer instead, for nobody in particular.
    pub(crate) fn want_all(&mut self) {
        self.head = false;
        for name in [RANGE, IF_RANGE, IF_NONE_MATCH, IF_MODIFIED_SINCE] {
            self.headers.remove(name);
        }
    }
}

/// `Pragma: no-cache` counts where `Cache-Control` is silent.
fn request_directives(headers: &HeaderMap) -> Directives {
    let said = Directives::of(headers, &CACHE_CONTROL);
    if said.is_empty() {
        let old = Directives::of(headers, &PRAGMA);
        if old.has("no-cache") {
            return old;
        }
    }
    said
}

/// Every part is preceded by its length or ends in a line's end, which none can hold: no two requests
/// that differ have one key.
fn apart(policy: &CachePolicy, route: &Route, seen: Request<'_>, user: Option<&str>) -> String {
    // A policy that was edited begins anew.
    let mut fingerprint = DefaultHasher::new();
    policy.hash(&mut fingerprint);
    let scheme = if seen.https { "https" } else { "http" };
    let mut key = format!("{scheme} {:x} {}\n", fingerprint.finish(), route.name);
    for name in &policy.headers {
        add_values(&mut key, seen.request.headers(), name);
    }
    if let Some(user) = user {
        // Writing to a string does not fail.
        let _ = write!(key, "user {} {user}", user.len());
    }
    key
}

/// Adds the values of a header to a key.
pub(super) fn add_values(key: &mut String, headers: &HeaderMap, name: &http::HeaderName) {
    for value in headers.get_all(name) {
        // Escaped, a value holds no line's end. Writing to a string does not fail.
        let _ = writeln!(key, "{name}: {}", value.as_bytes().escape_ascii());
    }
    key.push('\n');
}

/// Who asks; `None`: nobody says, and the answer is for everybody.
fn user(key: &UserKey, seen: Request<'_>) -> Option<String> {
    match key {
        UserKey::Claim(name) => match seen.caller.claim(name)? {
            Value::Null => None,
            Value::String(text) => Some(format!("s{text}")),
            other => Some(format!("j{other}")),
        },
        UserKey::Cookie(name) => {
            let fields = seen.request.headers().get_all(COOKIE).iter();
            let mut values = fields.filter_map(|field| cookies::find(field.as_bytes(), name));
            let value = values.next().filter(|value| !value.is_empty())?;
            Some(format!("c{}", value.escape_ascii()))
        }
    }
}
