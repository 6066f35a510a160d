//! An answer that is kept: whether it may be, how long it is fresh, and how long it may be served after.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{
    AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG,
    EXPIRES, LAST_MODIFIED, PRAGMA, SET_COOKIE, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_cache_semantics::{CacheOptions, CachePolicy as Semantics};
use route_table::table::CachePolicy;

use super::asked::Asked;
use super::directives::{Directives, delta_seconds};
use crate::edge::streaming;

/// Directives for caches such as ours alone (RFC 9213).
const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// Where answers name their tags; blanks or commas between them.
static TAGS: [HeaderName; 2] = [
    HeaderName::from_static("cache-tag"),
    HeaderName::from_static("surrogate-key"),
];

/// Tags of one answer that are kept.
const TAGS_MAX: usize = 128;

/// Statuses whose answers may be kept without saying so (RFC 9110, section 15.1), but for 206.
const BY_DEFAULT: [u16; 11] = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];

/// What an answer's body says of itself, which a 304 cannot change (RFC 9111, section 3.2).
const OF_THE_BODY: [HeaderName; 5] = [
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    HeaderName::from_static("content-md5"),
    ETAG,
];

/// Headers of one hop that the client's side has not seen the last of: they say who may use a proxy.
const OF_A_PROXY: [HeaderName; 3] = [
    HeaderName::from_static("proxy-authenticate"),
    HeaderName::from_static("proxy-authentication-info"),
    HeaderName::from_static("proxy-authorization"),
];

/// One answer. Its headers are those that clients get, but for `Age` and `Cache-Status`.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(super) uri: Arc<str>,
    pub(super) route: Arc<str>,
    pub(super) tags: Vec<Box<str>>,
    /// When it came, and how old it was then.
    came: SystemTime,
    age_then: Duration,
    /// For how long it is fresh, from its making.
    lifetime: Duration,
    /// Once stale, it must be validated whatever happens.
    strict: bool,
    while_revalidated: Duration,
    if_error: Duration,
}

/// How an answer may be used for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usable {
    Fresh,
    /// Stale by so little that the client need not wait for its revalidation.
    WhileRevalidated,
    /// Only once the upstream has said that it is still good.
    Validated,
}

impl Kept {
    /// The answer, without its body yet; `None` when it is not to be kept.
    pub(crate) fn of<B>(
        asked: &Asked,
        policy: &CachePolicy,
        response: &Response<B>,
        now: SystemTime,
    ) -> Option<Self> {
        let (status, headers) = (response.status(), response.headers());
        let length = headers.get(CONTENT_LENGTH);
        let length = length.and_then(|length| delta_seconds(length.to_str().ok()?));
        let too_large = length.is_some_and(|length| length > policy.body_bytes_max);
        let is_stream = streaming::is_answered(headers) || streaming::is_grpc(headers);
        if status == StatusCode::PARTIAL_CONTENT || too_large || is_stream {
            return None;
        }
        let mut headers = headers.clone();
        headers.remove(AGE);
        for name in OF_A_PROXY {
            headers.remove(name);
        }
        if !headers.contains_key(DATE) {
            let date = HeaderValue::try_from(httpdate::fmt_http_date(now));
            headers.extend(date.map(|date| (DATE, date)));
        }
        Self::judged(asked, policy, (status, headers), response.headers(), now)
    }

    /// What the directives make of an answer. `told` are the headers as they came.
    fn judged(
        asked: &Asked,
        policy: &CachePolicy,
        (status, headers): (StatusCode, HeaderMap),
        told: &HeaderMap,
        now: SystemTime,
    ) -> Option<Self> {
        let directives = directives(policy, status, told);
        vary(&headers)?;
        // Allowed by RFC 9111, section 7.3, and yet one visitor's session for all others, more often than not.
        let sets_cookie = headers.contains_key(SET_COOKIE) && !asked.personal;
        if sets_cookie && !directives.has("public") {
            return None;
        }
        let semantics = semantics(asked, (status, told), &directives, now);
        let while_revalidated = directives.seconds("stale-while-revalidate");
        let if_error = directives.seconds("stale-if-error");
        let kept = Self {
            status,
            body: Bytes::new(),
            uri: Arc::clone(&asked.uri),
            route: Arc::clone(&asked.route),
            tags: tags(told),
            strict: [
                "must-revalidate",
                "proxy-revalidate",
                "no-cache",
                "s-maxage",
            ]
            .iter()
            // `s-maxage` binds caches of many alone.
            .any(|name| directives.has(name) && !(asked.personal && *name == "s-maxage")),
            while_revalidated: while_revalidated.unwrap_or(policy.stale_while_revalidate),
            if_error: if_error.unwrap_or(policy.stale_if_error),
            came: now,
            age_then: age(told),
            // The age is left to us, so that what remains now is the lifetime.
            lifetime: semantics.time_to_live(now),
            headers,
        };
        let of_use = kept.is_fresh(now) || kept.has_validator();
        (semantics.is_storable() && of_use).then_some(kept)
    }

    /// The same answer, which a 304 has said is still good (RFC 9111, section 4.3.4); `None` when it is not
    /// to be kept any longer.
    pub(crate) fn freshened(
        &self,
        asked: &Asked,
        policy: &CachePolicy,
        not_modified: &HeaderMap,
        now: SystemTime,
    ) -> (HeaderMap, Option<Self>) {
        let mut headers = self.headers.clone();
        for name in not_modified.keys() {
            if OF_THE_BODY.contains(name) || OF_A_PROXY.contains(name) || *name == AGE {
                continue;
            }
            headers.remove(name);
            for value in not_modified.get_all(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        let mut told = headers.clone();
        if let Some(age) = not_modified.get(AGE) {
            told.insert(AGE, age.clone());
        }
        let kept = Self::judged(asked, policy, (self.status, headers.clone()), &told, now);
        let body = self.body.clone();
        (headers, kept.map(|kept| Self { body, ..kept }))
    }

    /// The same answer with this body.
    pub(super) fn with_body(self, body: Bytes) -> Self {
        Self { body, ..self }
    }

    /// The same answer with these headers.
    pub(crate) fn with_headers(&self, headers: HeaderMap) -> Self {
        let mut kept = self.clone();
        kept.headers = headers;
        kept
    }

    pub(crate) fn is_fresh(&self, now: SystemTime) -> bool {
        self.age(now) < self.lifetime
    }

    pub(crate) fn age(&self, now: SystemTime) -> Duration {
        // A clock that was put back makes nothing younger than it was.
        self.age_then + now.duration_since(self.came).unwrap_or_default()
    }

    /// Time until it is stale.
    pub(crate) fn fresh_for(&self, now: SystemTime) -> Duration {
        self.lifetime.saturating_sub(self.age(now))
    }

    /// Whether the upstream can be asked if it has changed.
    pub(crate) fn has_validator(&self) -> bool {
        self.headers.contains_key(ETAG) || self.headers.contains_key(LAST_MODIFIED)
    }

    /// How it may be used, by what it says and what the client asks for (RFC 9111, sections 4.2.4 and 5.2.1).
    pub(crate) fn usable(&self, asked: &Asked, now: SystemTime) -> Usable {
        let wants = &asked.directives;
        let too_old = wants
            .seconds("max-age")
            .is_some_and(|limit| self.age(now) > limit);
        let too_short = wants
            .seconds("min-fresh")
            .is_some_and(|least| self.fresh_for(now) < least);
        if wants.has("no-cache") || too_old || too_short {
            return Usable::Validated;
        }
        match self.stale_for(now) {
            None => Usable::Fresh,
            Some(_) if self.strict => Usable::Validated,
            Some(stale) if self.client_takes(asked, stale) => Usable::Fresh,
            Some(stale) if stale <= self.while_revalidated => Usable::WhileRevalidated,
            Some(_) => Usable::Validated,
        }
    }

    /// Whether it may be served instead of an error (RFC 5861, section 4).
    pub(crate) fn serves_on_error(&self, asked: &Asked, now: SystemTime) -> bool {
        let wanted = asked.directives.seconds("stale-if-error");
        let limit = wanted.unwrap_or(self.if_error).max(self.if_error);
        match self.stale_for(now) {
            // The client wanted it validated, which nobody can do now; it is as fresh as it says.
            None => !limit.is_zero() && !asked.directives.has("no-cache"),
            Some(stale) => !self.strict && stale <= limit,
        }
    }

    /// Whether the client said that it takes what is as stale as this.
    fn client_takes(&self, asked: &Asked, stale: Duration) -> bool {
        let wants = &asked.directives;
        wants.is_bare("max-stale") || wants.seconds("max-stale").is_some_and(|most| stale < most)
    }

    /// How long it has been stale; `None` while it is fresh.
    pub(super) fn stale_for(&self, now: SystemTime) -> Option<Duration> {
        let is_fresh = self.is_fresh(now);
        (!is_fresh).then(|| self.age(now).saturating_sub(self.lifetime))
    }

    /// The request headers that the answer was chosen by.
    pub(super) fn vary(&self) -> Vec<HeaderName> {
        vary(&self.headers).unwrap_or_default()
    }

    /// Bytes in memory, about.
    pub(super) fn weight(&self) -> usize {
        let headers = self.headers.iter();
        let headers: usize = headers
            .map(|(name, value)| name.as_str().len() + value.len() + 64)
            .sum();
        let tags: usize = self.tags.iter().map(|tag| tag.len() + 16).sum();
        self.body.len() + headers + tags + self.uri.len() + 1024
    }
}

/// What an answer says about being kept, and the route where it says nothing.
fn directives(policy: &CachePolicy, status: StatusCode, told: &HeaderMap) -> Directives {
    let targeted = Directives::of(told, &CDN_CACHE_CONTROL);
    let is_targeted = !targeted.is_empty();
    let mut said = if is_targeted {
        targeted
    } else {
        Directives::of(told, &CACHE_CONTROL)
    };
    // Whoever says so understands what we understand (RFC 9111, section 5.2.2.3).
    if said.has("must-understand") && BY_DEFAULT.contains(&status.as_u16()) {
        said.remove("no-store");
    }
    let explicit = said.has("max-age") || said.has("s-maxage") || said.has("no-cache");
    let explicit = explicit || told.contains_key(EXPIRES) || told.contains_key(PRAGMA);
    if let Some(ttl) = policy.ttl
        && !explicit
        && BY_DEFAULT.contains(&status.as_u16())
    {
        said.set_seconds("max-age", ttl);
    }
    // Nobody knows how old it is: two ages, or none that is a number, are as good as any (section 5.1).
    let mut ages = told.get_all(AGE).iter();
    let age = ages
        .next()
        .map(|age| age.to_str().ok().and_then(delta_seconds));
    if age == Some(None) || ages.next().is_some() {
        said.remove("s-maxage");
        said.set_seconds("max-age", Duration::ZERO);
    }
    if is_targeted && !said.has("max-age") && !said.has("s-maxage") {
        // `Expires` is for others, then (RFC 9213, section 2.2).
        said.set_seconds("max-age", Duration::ZERO);
    }
    said
}

/// Request and answer as `http-cache-semantics` reads them right.
fn semantics(
    asked: &Asked,
    (status, told): (StatusCode, &HeaderMap),
    directives: &Directives,
    now: SystemTime,
) -> Semantics {
    let mut directives = directives.clone();
    // The crate takes it for "never fresh"; it is about staleness (RFC 9111, section 5.2.2.8).
    directives.remove("proxy-revalidate");
    let mut response = Response::new(());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if !directives.is_empty() {
        headers.insert(CACHE_CONTROL, directives.to_value());
    }
    for name in [DATE, PRAGMA] {
        if let Some(value) = told.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    if let Some(expires) = told.get(EXPIRES) {
        // The crate wants the one spelling; whatever is no date has passed.
        let date = expires
            .to_str()
            .ok()
            .and_then(|text| httpdate::parse_http_date(text).ok());
        let date = date.map(httpdate::fmt_http_date);
        let date = date.and_then(|date| HeaderValue::try_from(date).ok());
        headers.insert(EXPIRES, date.unwrap_or(HeaderValue::from_static("0")));
    }
    let mut request = Request::new(());
    if asked.authorized {
        let anybody = HeaderValue::from_static("present");
        request.headers_mut().insert(AUTHORIZATION, anybody);
    }
    let options = CacheOptions {
        shared: !asked.personal,
        // Guesses are for browsers, whose users can reload: `ttl` says it for certain.
        cache_heuristic: 0.0,
        immutable_min_time_to_live: Duration::ZERO,
        ignore_cargo_cult: false,
    };
    Semantics::new_options(&request, &response, now, options)
}

/// What the upstream, or caches before it, say of an answer's age.
fn age(told: &HeaderMap) -> Duration {
    let age = told
        .get(AGE)
        .and_then(|age| delta_seconds(age.to_str().ok()?));
    Duration::from_secs(age.unwrap_or(0))
}

/// The names in `Vary`, sorted; `None` when the answer is for nobody else.
fn vary(headers: &HeaderMap) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    for value in headers.get_all(VARY) {
        for name in value.to_str().ok()?.split(',').map(str::trim) {
            match name {
                "" => {}
                "*" => return None,
                name => names.push(HeaderName::from_bytes(name.as_bytes()).ok()?),
            }
        }
    }
    names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    Some(names)
}

fn tags(headers: &HeaderMap) -> Vec<Box<str>> {
    let values = TAGS.iter().flat_map(|name| headers.get_all(name));
    let texts = values.filter_map(|value| value.to_str().ok());
    let tags = texts.flat_map(|text| text.split([',', ' ']));
    let tags = tags.map(str::trim).filter(|tag| !tag.is_empty());
    tags.take(TAGS_MAX).map(Into::into).collect()
}

#[cfg(test)]
mod tests;
