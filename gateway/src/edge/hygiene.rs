//! Refuses messages that a strict reading of the RFCs does not allow, before anything is decided about
//! them: two readers of one message must not come to two conclusions.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

use crate::defaults::HEADER_COUNT_MAX;
use crate::edge::{look_alike, websocket};
use crate::respond::Failure;

/// Names that must not come with `_` for `-`: they frame the message or say who asks.
const GUARDED: [&str; 11] = [
    "content-length",
    "transfer-encoding",
    "proxy-authorization",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-deadline-ms",
    "x-request-id",
    "http2-settings",
];

/// Checks a request's head and returns its host, without port, as the client spelled it.
///
/// # Errors
/// [`Failure::MalformedRequest`], [`Failure::MethodRefused`] or [`Failure::HeadersTooMany`].
pub(crate) fn check<B>(request: &Request<B>) -> Result<&str, Failure> {
    match *request.method() {
        Method::CONNECT if websocket::is_extended_connect(request) => {}
        Method::CONNECT | Method::TRACE => return Err(Failure::MethodRefused),
        _ => {}
    }
    if request.headers().len() > HEADER_COUNT_MAX {
        return Err(Failure::HeadersTooMany);
    }
    check_target(request.uri())?;
    check_names(request.headers())?;
    if request.version() == Version::HTTP_2 {
        check_blanks(request.headers())?;
    }
    check_framing(request)?;
    host(request)
}

/// Origin form or absolute form of `http` and `https` (RFC 9112, section 3.2). The others are for
/// CONNECT and for servers that answer themselves.
fn check_target(uri: &Uri) -> Result<(), Failure> {
    let known = |scheme: &Scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS;
    if !uri.path().starts_with('/') || !uri.scheme().is_none_or(known) {
        return Err(Failure::MalformedRequest("the target must be a path"));
    }
    Ok(())
}

/// Refuses `Content_Length` and its like: what frames a message and tells who asks must have one
/// spelling for every reader behind us.
fn check_names(headers: &HeaderMap) -> Result<(), Failure> {
    let mut names = headers.keys().map(HeaderName::as_str);
    let looks_like_another = |name: &str| {
        name.contains('_')
            && GUARDED
                .iter()
                .any(|guarded| look_alike::reads_alike(name, guarded))
    };
    if names.any(looks_like_another) {
        return Err(Failure::MalformedRequest(
            "a header's name must not differ from a known one by an underscore",
        ));
    }
    Ok(())
}

/// A value that begins or ends with a blank is malformed in HTTP/2 (RFC 9113, section 8.2.1), and reads
/// differently once it is on HTTP/1.1, where blanks around a value are no part of it.
fn check_blanks(headers: &HeaderMap) -> Result<(), Failure> {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let mut values = headers.values().map(HeaderValue::as_bytes);
    if values.any(|value| blank(value.first()) || blank(value.last())) {
        return Err(Failure::MalformedRequest(
            "a header's value must not begin or end with a blank",
        ));
    }
    Ok(())
}

/// A message has one length. hyper has parsed it already; this refuses what it lets pass.
fn check_framing<B>(request: &Request<B>) -> Result<(), Failure> {
    let headers = request.headers();
    if !headers.keys().any(frames) {
        return Ok(());
    }
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(encoding) = encodings.next() {
        if !encoding.as_bytes().eq_ignore_ascii_case(b"chunked") || encodings.next().is_some() {
            return Err(Failure::MalformedRequest(
                "Transfer-Encoding must be `chunked`, once",
            ));
        }
        if headers.contains_key(CONTENT_LENGTH) {
            return Err(Failure::MalformedRequest(
                "Content-Length and Transfer-Encoding exclude each other",
            ));
        }
    }
    if headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some() {
        return Err(Failure::MalformedRequest(
            "Content-Length must be given once",
        ));
    }
    Ok(())
}

/// Whether a header says how long the body is.
fn frames(name: &HeaderName) -> bool {
    *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING
}

/// The host that the request is for (RFC 9112, section 3.2; RFC 9113, section 8.3.1).
fn host<B>(request: &Request<B>) -> Result<&str, Failure> {
    let mut headers = request.headers().get_all(HOST).iter();
    let header = headers.next();
    if headers.next().is_some() {
        return Err(Failure::MalformedRequest("Host must be given once"));
    }
    let header = match header {
        Some(value) => Some(
            value
                .to_str()
                .map_err(|_| Failure::MalformedRequest("Host is not a valid name"))?,
        ),
        None => None,
    };
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let authority = match (authority, header) {
        (None, Some("")) => return Err(Failure::MalformedRequest("Host is empty")),
        (Some(authority), Some(header))
            if request.version() == Version::HTTP_2 && authority != header =>
        {
            return Err(Failure::MalformedRequest("Host and :authority differ"));
        }
        (Some(authority), _) => authority,
        (None, Some(header)) => header,
        (None, None) if request.version() == Version::HTTP_10 => "",
        (None, None) => return Err(Failure::MalformedRequest("Host is missing")),
    };
    without_port(authority)
}

/// Splits the port off and checks that what is left can be a host.
fn without_port(authority: &str) -> Result<&str, Failure> {
    const INVALID: Failure = Failure::MalformedRequest("Host is not a valid name");
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']').ok_or(INVALID)?;
            let port = match after {
                "" => None,
                _ => Some(after.strip_prefix(':').ok_or(INVALID)?),
            };
            address.parse::<std::net::Ipv6Addr>().map_err(|_| INVALID)?;
            (address, port)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if port.is_some_and(|port| !port.is_empty() && port.parse::<u16>().is_err()) {
        return Err(Failure::MalformedRequest("Host has an invalid port"));
    }
    // The root's dot: a name with it is the same name (RFC 1034, section 3.1).
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.ends_with('.') || (host.is_empty() && !authority.is_empty()) {
        return Err(INVALID);
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:%!$&'()*+,;=".contains(&byte);
    if !host.bytes().all(allowed) {
        return Err(INVALID);
    }
    Ok(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn checked(headers: &[(&str, &str)]) -> Result<String, &'static str> {
        let mut request = Request::builder().uri("/a");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match check(&request.body(()).expect("a request")) {
            Ok(host) => Ok(host.to_owned()),
            Err(Failure::MalformedRequest(reason)) => Err(reason),
            Err(other) => Err(other.code()),
        }
    }

    #[test]
    fn the_host_loses_its_port() {
        for (sent, host) in [
            ("shop.test", "shop.test"),
            ("shop.test:8443", "shop.test"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:8443", "::1"),
            ("[::1]", "::1"),
            ("shop.test:", "shop.test"),
            ("shop.test.", "shop.test"),
            ("shop.test.:8443", "shop.test"),
        ] {
            assert_eq!(checked(&[("host", sent)]), Ok(host.to_owned()), "{sent}");
        }
    }

    #[test]
    fn a_missing_a_second_and_an_impossible_host_are_refused() {
        assert_eq!(checked(&[]), Err("Host is missing"));
        assert_eq!(checked(&[("host", "")]), Err("Host is empty"));
        assert_eq!(
            checked(&[("host", "a"), ("host", "b")]),
            Err("Host must be given once")
        );
        for host in [
            "a b", "a/b", "a@b", "[::1", "[zz]", "a?b", "a\"b", "a..", ".", ":80",
        ] {
            assert_eq!(
                checked(&[("host", host)]),
                Err("Host is not a valid name"),
                "{host}"
            );
        }
        assert_eq!(
            checked(&[("host", "a:port")]),
            Err("Host has an invalid port")
        );
    }

    #[test]
    fn a_message_has_one_length() {
        let host = ("host", "a");
        assert!(checked(&[host, ("transfer-encoding", "chunked")]).is_ok());
        for headers in [
            &[
                host,
                ("transfer-encoding", "chunked"),
                ("content-length", "3"),
            ][..],
            &[
                host,
                ("transfer-encoding", "chunked"),
                ("transfer-encoding", "chunked"),
            ],
            &[host, ("transfer-encoding", "gzip, chunked")],
            &[host, ("content-length", "3"), ("content-length", "3")],
        ] {
            assert!(checked(headers).is_err(), "{headers:?}");
        }
    }

    #[test]
    fn a_target_is_a_path() {
        for (uri, allowed) in [
            ("/a", true),
            ("http://a/b", true),
            ("https://a", true),
            ("ftp://a/b", false),
            ("a:443", false),
            ("*", false),
        ] {
            let request = Request::builder().uri(uri).header("host", "a");
            let request = request.body(()).expect("a request");
            assert_eq!(check(&request).is_ok(), allowed, "{uri}");
        }
    }

    #[test]
    fn look_alikes_of_framing_and_identity_are_refused_and_other_underscores_are_not() {
        let host = ("host", "a");
        for name in ["content_length", "transfer_encoding", "x_forwarded-for"] {
            assert!(checked(&[host, (name, "1")]).is_err(), "{name}");
        }
        assert!(checked(&[host, ("my_header", "1")]).is_ok());
    }

    #[test]
    fn a_hundred_and_one_headers_are_too_many() {
        let names: Vec<String> = (0..HEADER_COUNT_MAX).map(|n| format!("x-{n}")).collect();
        let mut headers: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
        headers.push(("host", "a"));
        assert_eq!(checked(&headers), Err("headers_too_large"));
    }
}
