//! Methods, targets and versions.

use super::case::{Bench, Case, clean, passed, refused};

/// A request with this first line.
fn request(line: &[u8]) -> Vec<u8> {
    [line, b"\r\nHost: a\r\n\r\n"].concat()
}

fn malformed(what: &'static str, line: &[u8]) -> Case {
    refused(what, 400, request(line))
}

#[tokio::test]
async fn a_request_line_has_one_reading_or_none() {
    let cases = [
        malformed("no HTTP at all", b"hello there"),
        malformed("no version", b"GET /"),
        malformed("no method", b" / HTTP/1.1"),
        malformed("no target", b"GET HTTP/1.1"),
        malformed("a method that is no token", b"GE(T / HTTP/1.1"),
        malformed("a NUL in the method", b"G\0T / HTTP/1.1"),
        malformed("two spaces before the target", b"GET  / HTTP/1.1"),
        malformed("two spaces before the version", b"GET /  HTTP/1.1"),
        malformed("a space before the method", b" GET / HTTP/1.1"),
        malformed("a space after the version", b"GET / HTTP/1.1 "),
        malformed("tabs for spaces", b"GET\t/\tHTTP/1.1"),
        malformed("a space in the target", b"GET /a b HTTP/1.1"),
        malformed("a NUL in the target", b"GET /a\0b HTTP/1.1"),
        malformed("a CR in the target", b"GET /a\rb HTTP/1.1"),
        malformed("a LF in the target", b"GET /a\nb HTTP/1.1"),
        malformed("a DEL in the target", b"GET /a\x7fb HTTP/1.1"),
        malformed("HTTP/0.9", b"GET / HTTP/0.9"),
        malformed("HTTP/1.2", b"GET / HTTP/1.2"),
        malformed("HTTP/2.0", b"GET / HTTP/2.0"),
        malformed("HTTP/1.10", b"GET / HTTP/1.10"),
        malformed("HTTP/01.1", b"GET / HTTP/01.1"),
        malformed("a version in lower case", b"GET / http/1.1"),
        malformed("an authority for a target", b"GET a:443 HTTP/1.1"),
        malformed("an asterisk that is not OPTIONS'", b"GET * HTTP/1.1"),
        malformed("a relative target", b"GET a/b HTTP/1.1"),
        malformed("a URI without a host", b"GET http:///a HTTP/1.1"),
        malformed("a user in the URI", b"GET http://user@a/ HTTP/1.1"),
        malformed("a URI that is not HTTP's", b"GET ftp://a/ HTTP/1.1"),
        refused(
            "CONNECT",
            405,
            b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        ),
        refused("TRACE", 405, request(b"TRACE / HTTP/1.1")),
        refused(
            "a target without end",
            431,
            request(&[b"GET /", "a".repeat(40_000).as_bytes(), b" HTTP/1.1"].concat()),
        ),
        passed(
            "a method of one's own",
            request(b"get / HTTP/1.1"),
            clean("get /"),
        ),
        passed(
            "an empty line before it",
            [b"\r\n", &*request(b"GET / HTTP/1.1")].concat(),
            clean("GET /"),
        ),
        passed(
            "lines that end in LF alone",
            b"GET / HTTP/1.1\nHost: a\n\n",
            clean("GET /"),
        ),
        passed("a fragment", request(b"GET /a#b HTTP/1.1"), clean("GET /a")),
        passed(
            "the absolute form",
            request(b"GET http://a/b?c HTTP/1.1"),
            clean("GET /b?c"),
        ),
        passed(
            "the absolute form's host counts",
            request(b"GET http://b/ HTTP/1.1"),
            clean("GET /").host("b"),
        ),
        malformed("the whole server", b"OPTIONS * HTTP/1.1"),
    ];
    Bench::start().await.run(&cases).await;
}
