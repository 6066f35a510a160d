//! One request of an access log.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;

use http::{HeaderName, Method};
use route_table::{Known, LoggedFields, decoded_query_part};
use serde::Deserialize;

use crate::canonical::{CanonicalPath, canonicalize};

/// Failures of requests that never came to the table.
const NEVER_MATCHED: [&str; 4] = [
    "malformed_request",
    "method_refused",
    "headers_too_large",
    "path_refused",
];

/// What of a line is needed.
#[derive(Debug, Deserialize)]
pub(super) struct Line<'l> {
    #[serde(borrow)]
    pub(super) method: Cow<'l, str>,
    #[serde(borrow)]
    pub(super) host: Cow<'l, str>,
    #[serde(borrow)]
    pub(super) path: Cow<'l, str>,
    #[serde(borrow, default)]
    query: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    client: Option<Cow<'l, str>>,
    /// The row that took it then.
    #[serde(borrow, default)]
    pub(super) route: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    failure: Option<Cow<'l, str>>,
    /// Parts that the table wanted logged, each with all its values.
    #[serde(borrow, default, rename = "match")]
    matched_on: Option<HashMap<Cow<'l, str>, Vec<String>>>,
}

impl Line<'_> {
    /// Whether it came as far as the table.
    pub(super) fn was_matched(&self) -> bool {
        let failure = self.failure.as_deref();
        failure.is_none_or(|failure| !NEVER_MATCHED.contains(&failure)) && !self.host.is_empty()
    }

    /// The method by which routes were asked: WebSocket over HTTP/2 comes by CONNECT and is a GET.
    pub(super) fn method(&self) -> Option<Method> {
        match &*self.method {
            "CONNECT" => Some(Method::GET),
            method => Method::from_bytes(method.as_bytes()).ok(),
        }
    }

    pub(super) fn canonical_path(&self) -> Option<CanonicalPath<'_>> {
        canonicalize(&self.path).ok()
    }

    pub(super) fn client_ip(&self) -> Option<IpAddr> {
        self.client.as_ref()?.parse().ok()
    }

    fn logged(&self, kind: &str, name: &str) -> Option<Known<'_>> {
        // Nearly all tables name no fields, and nearly all lines have none.
        let values = self.matched_on.as_ref()?;
        let values = values.get(format!("{kind}:{name}").as_str())?;
        Some(if values.is_empty() {
            Known::Absent
        } else {
            Known::Values(values.iter().map(|value| Cow::Borrowed(&**value)).collect())
        })
    }
}

impl LoggedFields for Line<'_> {
    fn header(&self, name: &HeaderName) -> Known<'_> {
        self.logged("header", name.as_str())
            .unwrap_or(Known::Unknown)
    }

    fn query(&self, name: &str) -> Known<'_> {
        if let Some(known) = self.logged("query", name) {
            return known;
        }
        // Names are logged, values are not: `page=…&flag`.
        let Some(query) = &self.query else {
            return Known::Absent;
        };
        let mut named = query.split('&').filter_map(|pair| {
            let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded_query_part(found) == name).then_some(value)
        });
        match named.next() {
            None => Known::Absent,
            Some("") if named.next().is_none() => {
                Known::Values(std::iter::once(Cow::Borrowed("")).collect())
            }
            Some(_) => Known::Present,
        }
    }

    fn cookie(&self, name: &str) -> Known<'_> {
        self.logged("cookie", name).unwrap_or(Known::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line<'_> {
        serde_json::from_str(text).expect("a line")
    }

    #[test]
    fn a_log_knows_names_of_a_query_and_values_where_the_table_wanted_them() {
        let line = line(
            r#"{"method":"GET","host":"a","path":"/","query":"page=…&flag","match":{"header:x-beta":["1"],"cookie:ab":[]}}"#,
        );
        let values = |text: &'static str| Known::Values(std::iter::once(text.into()).collect());
        assert_eq!(line.query("page"), Known::Present);
        assert_eq!(line.query("flag"), values(""));
        assert_eq!(line.query("other"), Known::Absent);
        let header = |name| HeaderName::from_static(name);
        assert_eq!(line.header(&header("x-beta")), values("1"));
        assert_eq!(line.header(&header("x-other")), Known::Unknown);
        assert_eq!(line.cookie("ab"), Known::Absent);
        assert_eq!(line.cookie("other"), Known::Unknown);
    }

    #[test]
    fn requests_that_never_came_to_the_table_are_told_apart() {
        for (failure, matched) in [
            ("malformed_request", false),
            ("path_refused", false),
            ("no_route", true),
            ("invalid_token", true),
        ] {
            let text = format!(r#"{{"method":"GET","host":"a","path":"/","failure":"{failure}"}}"#);
            assert_eq!(line(&text).was_matched(), matched, "{failure}");
        }
        assert!(line(r#"{"method":"GET","host":"a","path":"/"}"#).was_matched());
        assert!(!line(r#"{"method":"GET","host":"","path":"/"}"#).was_matched());
    }
}
