//! The conditions of a route beside host and path.

use std::borrow::Cow;

use http::header::COOKIE;
use http::{HeaderMap, Method};

use crate::matcher::RequestFacts;
use crate::table::{Conditions, RouteMatch, ValueMatch};

/// The first condition that a request does not meet; `None` when it meets all.
pub(crate) fn first_failure(wanted: &RouteMatch, request: &RequestFacts<'_>) -> Option<Failed> {
    let wanted = wanted.conditions.as_deref()?;
    if !wanted.methods.is_empty()
        && !wanted
            .methods
            .iter()
            .any(|method| takes_method(method, request.method))
    {
        return Some(Failed::Method);
    }
    let header = |one: &ValueMatch<_>| has_header(request.headers, one);
    if let Some(one) = wanted.headers.iter().find(|one| !header(one)) {
        return Some(Failed::Header(one.name.to_string()));
    }
    if let Some(one) = wanted
        .query
        .iter()
        .find(|one| !has_query(request.query, one))
    {
        return Some(Failed::Query(one.name.to_string()));
    }
    if let Some(one) = wanted
        .cookies
        .iter()
        .find(|one| !has_cookie(request.headers, one))
    {
        return Some(Failed::Cookie(one.name.to_string()));
    }
    let from =
        |networks: &[ipnet::IpNet]| networks.iter().any(|net| net.contains(&request.client_ip));
    if !wanted.client_ips.is_empty() && !from(&wanted.client_ips) {
        return Some(Failed::ClientIp);
    }
    None
}

impl Conditions {
    /// How much is asked: of routes with one path, whoever asks more is tried first.
    pub(super) fn rank(&self) -> impl Ord + use<> {
        (
            !self.methods.is_empty(),
            self.headers.len(),
            self.query.len(),
            self.cookies.len(),
            !self.client_ips.is_empty(),
        )
    }
}

/// A condition that was not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failed {
    Method,
    Header(String),
    Query(String),
    Cookie(String),
    ClientIp,
}

/// Who answers GET answers HEAD (RFC 9110, section 9.3.2).
pub(crate) fn takes_method(wanted: &Method, method: &Method) -> bool {
    wanted == method || (*wanted == Method::GET && *method == Method::HEAD)
}

fn has_header(headers: &HeaderMap, wanted: &ValueMatch<http::HeaderName>) -> bool {
    let mut values = headers.get_all(&wanted.name).iter();
    match &wanted.value {
        None => values.next().is_some(),
        Some(value) => values.any(|found| found.as_bytes() == value.as_bytes()),
    }
}

fn has_query(query: Option<&str>, wanted: &ValueMatch<std::sync::Arc<str>>) -> bool {
    let mut values = query_values(query, &wanted.name);
    match &wanted.value {
        None => values.next().is_some(),
        Some(wanted) => values.any(|value| *value == **wanted),
    }
}

/// The decoded values of a query parameter. Nothing is allocated where nothing is escaped.
pub(crate) fn query_values<'q>(
    query: Option<&'q str>,
    name: &str,
) -> impl Iterator<Item = Cow<'q, str>> {
    let pairs = query.into_iter().flat_map(|query| query.split('&'));
    pairs.filter_map(move |pair| {
        let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(found) == name).then(|| decoded(value))
    })
}

/// As forms are encoded; what is no UTF-8 equals nothing that a table can name.
pub(crate) fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy();
    Cow::Owned(decoded.into_owned())
}

fn has_cookie(headers: &HeaderMap, wanted: &ValueMatch<std::sync::Arc<str>>) -> bool {
    let mut values = cookie_values(headers, &wanted.name);
    match &wanted.value {
        None => values.next().is_some(),
        Some(wanted) => values.any(|value| value == &**wanted),
    }
}

/// The values of a cookie.
pub(crate) fn cookie_values<'h>(
    headers: &'h HeaderMap,
    name: &str,
) -> impl Iterator<Item = &'h str> {
    let fields = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let cookies = fields.flat_map(|field| field.split(';')).map(str::trim);
    cookies.filter_map(move |cookie| {
        let (found, value) = cookie.split_once('=').unwrap_or((cookie, ""));
        (found == name).then_some(value)
    })
}
