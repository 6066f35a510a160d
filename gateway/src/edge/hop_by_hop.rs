//! Headers that belong to one connection stay on it (RFC 9110, section 7.6.1).

use http::header::{CONNECTION, TE};
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

/// What a client may not make us drop by naming it in `Connection`: it is set again by us, or it is
/// what the request means.
const NEVER_BY_NAME: [HeaderName; 3] = [
    http::header::HOST,
    http::header::CONTENT_LENGTH,
    http::header::AUTHORIZATION,
];

/// Headers of one connection, whatever `Connection` says. `Expect` is among them: we answer it
/// ourselves.
fn is_of_connection(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "expect"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Cleans a request before it is sent on.
pub(crate) fn strip_request(headers: &mut HeaderMap) {
    let trailers = accepts_trailers(headers);
    strip(headers);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Cleans a response before it is sent on.
pub(crate) fn strip_response(headers: &mut HeaderMap) {
    strip(headers);
}

/// Looks before it removes: most messages have one such header or none.
fn strip(headers: &mut HeaderMap) {
    let names = headers.keys().filter(|name| is_of_connection(name));
    let names: SmallVec<[HeaderName; 4]> = names.cloned().collect();
    if names.contains(&CONNECTION) {
        strip_named(headers);
    }
    for name in names {
        headers.remove(name);
    }
}

fn accepts_trailers(headers: &HeaderMap) -> bool {
    headers
        .get_all(TE)
        .iter()
        .any(|value| tokens(value).any(|token| token == "trailers"))
}

/// Removes every header that a `Connection` header names.
fn strip_named(headers: &mut HeaderMap) {
    let named: SmallVec<[HeaderName; 4]> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(tokens)
        .filter(|token| !is_option(token))
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .filter(|name| !NEVER_BY_NAME.contains(name))
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// What `Connection` mostly says, and which is no header's name, or is removed anyway.
fn is_option(token: &str) -> bool {
    token.eq_ignore_ascii_case("keep-alive") || token.eq_ignore_ascii_case("close")
}

/// Whether a header that is a list holds `token`, which knows no case.
pub(crate) fn lists(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let mut tokens = headers.get_all(name).iter().flat_map(tokens);
    tokens.any(|given| given.eq_ignore_ascii_case(token))
}

fn tokens(value: &HeaderValue) -> impl Iterator<Item = &str> {
    value
        .to_str()
        .unwrap_or("")
        .split(',')
        .map(str::trim_ascii)
        .filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn kept(strip: fn(&mut HeaderMap), sent: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(*name, HeaderValue::from_static(value));
        }
        strip(&mut headers);
        let mut names: Vec<_> = headers.keys().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn headers_named_in_connection_are_dropped() {
        let sent = [
            ("connection", "close, x-secret"),
            ("x-secret", "1"),
            ("accept", "*/*"),
        ];
        assert_eq!(kept(strip_request, &sent), ["accept"]);
    }

    #[test]
    fn connection_cannot_name_away_what_the_request_means() {
        let sent = [
            ("connection", "host, authorization"),
            ("host", "a"),
            ("authorization", "b"),
        ];
        assert_eq!(kept(strip_request, &sent), ["authorization", "host"]);
    }

    #[test]
    fn only_trailers_survive_in_te() {
        assert_eq!(kept(strip_request, &[("te", "gzip, trailers")]), ["te"]);
        assert_eq!(kept(strip_request, &[("te", "gzip")]), [""; 0]);
    }

    #[test]
    fn a_response_loses_its_connection_headers() {
        let sent = [
            ("connection", "keep-alive"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("content-type", "text/plain"),
        ];
        assert_eq!(kept(strip_response, &sent), ["content-type"]);
    }
}
