//! `Host`: there, once, and a name.

use super::case::{Bench, Case, clean, passed, refused};

fn malformed(what: &'static str, fields: &str) -> Case {
    refused(what, 400, format!("GET / HTTP/1.1\r\n{fields}\r\n"))
}

#[tokio::test]
async fn a_request_names_one_host() {
    let cases = [
        malformed("none", ""),
        malformed("empty", "Host: \r\n"),
        malformed("two", "Host: a\r\nHost: b\r\n"),
        malformed("the same twice", "Host: a\r\nHost: a\r\n"),
        malformed("a list", "Host: a, b\r\n"),
        malformed("a space in it", "Host: a b\r\n"),
        malformed("a path in it", "Host: a/b\r\n"),
        malformed("a user in it", "Host: user@a\r\n"),
        malformed("a port that is none", "Host: a:b\r\n"),
        malformed("a port too high", "Host: a:65536\r\n"),
        malformed("two ports", "Host: a:1:2\r\n"),
        malformed("a bracket left open", "Host: [::1\r\n"),
        malformed("a control character", "Host: a\x01\r\n"),
        malformed("not ASCII", "Host: ä\r\n"),
        malformed("folded", "Host:\r\n a\r\n"),
        malformed("a space before the colon", "Host : a\r\n"),
        malformed(
            "an underscore look-alike of a framing field",
            "Host: a\r\nContent_Length: 3\r\n",
        ),
        malformed(
            "an underscore look-alike of a forwarded field",
            "Host: a\r\nX_Forwarded_For: 1.2.3.4\r\n",
        ),
        passed(
            "a port",
            "GET / HTTP/1.1\r\nHost: a:8080\r\n\r\n",
            clean("GET /").host("a:8080"),
        ),
        passed(
            "an address",
            "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
            clean("GET /").host("[::1]:80"),
        ),
        passed(
            "blanks around it",
            "GET / HTTP/1.1\r\nHost: \t a \t\r\n\r\n",
            clean("GET /"),
        ),
    ];
    Bench::start().await.run(&cases).await;
}
