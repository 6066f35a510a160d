//! Bodies in chunks.

use super::case::{Bench, Case, abandoned_body, clean, cut_off, passed};

/// A request with these fields and this body.
fn request(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{fields}\r\n{body}")
}

fn malformed(what: &'static str, body: &str) -> Case {
    cut_off(what, 400, request("", body))
}

#[tokio::test]
async fn chunks_are_read_by_the_letter() {
    let extension = format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(20_000));
    let cases = [
        malformed("a size that is none", "zz\r\nabc\r\n0\r\n\r\n"),
        malformed("no size", "\r\nabc\r\n0\r\n\r\n"),
        malformed("a minus", "-3\r\nabc\r\n0\r\n\r\n"),
        malformed("a plus", "+3\r\nabc\r\n0\r\n\r\n"),
        malformed("a prefix", "0x3\r\nabc\r\n0\r\n\r\n"),
        malformed("an underscore", "0_3\r\nabc\r\n0\r\n\r\n"),
        malformed("a blank before the size", " 3\r\nabc\r\n0\r\n\r\n"),
        malformed("more than 64 bits", "10000000000000003\r\nabc\r\n0\r\n\r\n"),
        malformed("a size that ends in LF", "3\nabc\r\n0\r\n\r\n"),
        malformed("a size that ends in CR", "3\rabc\r\n0\r\n\r\n"),
        malformed("a NUL behind the size", "3\0\r\nabc\r\n0\r\n\r\n"),
        malformed("data longer than its size", "3\r\nabcd\r\n0\r\n\r\n"),
        malformed("data without an end", "3\r\nabc0\r\n\r\n"),
        malformed("data that ends in LF", "3\r\nabc\n0\r\n\r\n"),
        malformed("data that ends in CR", "3\r\nabc\r0\r\n\r\n"),
        malformed("an extension with a LF", "3;x\nabc\r\n0\r\n\r\n"),
        malformed("an extension without end", &extension),
        malformed("a last chunk that ends in LF", "3\r\nabc\r\n0\n\n"),
        malformed("a trailer without a colon", "3\r\nabc\r\n0\r\nx\r\n\r\n"),
        malformed(
            "a trailer with a space before the colon",
            "3\r\nabc\r\n0\r\nX : 1\r\n\r\n",
        ),
        malformed(
            "a trailer that is folded",
            "3\r\nabc\r\n0\r\nX: 1\r\n 2\r\n\r\n",
        ),
        malformed("a trailer with a NUL", "3\r\nabc\r\n0\r\nX: \0\r\n\r\n"),
        abandoned_body(
            "an end before the data's",
            request("", "ffffffffffffffff\r\nabc"),
        ),
        abandoned_body("an end before the last chunk", request("", "3\r\nabc\r\n")),
        abandoned_body(
            "an end before the trailers'",
            request("", "3\r\nabc\r\n0\r\n"),
        ),
    ];
    Bench::start().await.run(&cases).await;
}

#[tokio::test]
async fn chunks_are_written_anew() {
    let abc = || clean("POST /").chunked("3\r\nabc\r\n0\r\n\r\n");
    let cases = [
        passed("one", request("", "3\r\nabc\r\n0\r\n\r\n"), abc()),
        passed(
            "several",
            request("", "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"),
            abc(),
        ),
        passed(
            "no data",
            request("", "0\r\n\r\n"),
            clean("POST /").chunked("0\r\n\r\n"),
        ),
        passed(
            "zeros before the size",
            request("", "0000000000000000000003\r\nabc\r\n000\r\n\r\n"),
            abc(),
        ),
        passed(
            "capitals",
            request("", "A\r\n0123456789\r\n0\r\n\r\n"),
            clean("POST /").chunked("a\r\n0123456789\r\n0\r\n\r\n"),
        ),
        passed(
            "blanks after the size",
            request("", "3 \t\r\nabc\r\n0\r\n\r\n"),
            abc(),
        ),
        passed(
            "extensions end here",
            request("", "3;a=b;c=\"d\"\r\nabc\r\n0;e\r\n\r\n"),
            abc(),
        ),
    ];
    Bench::start().await.run(&cases).await;
}

#[tokio::test]
async fn trailers_are_passed_on_when_announced_and_harmless() {
    let body = |trailers: &str| format!("3\r\nabc\r\n0\r\n{trailers}\r\n");
    let without = "3\r\nabc\r\n0\r\n\r\n";
    let cases = [
        passed(
            "announced",
            request("Trailer: X-Sum\r\n", &body("X-Sum: 7\r\n")),
            clean("POST /")
                .field("trailer: X-Sum")
                .chunked("3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n"),
        ),
        passed(
            "not announced",
            request("", &body("X-Sum: 7\r\n")),
            clean("POST /").chunked(without),
        ),
        passed(
            "what frames a message",
            request(
                "Trailer: Content-Length, Transfer-Encoding\r\n",
                &body("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            ),
            clean("POST /")
                .field("trailer: Content-Length, Transfer-Encoding")
                .chunked(without),
        ),
        passed(
            "who is asked and who asks",
            request(
                "Trailer: Host, Authorization, Cookie, X-Forwarded-For, X-Request-Id\r\n",
                &body(
                    "Host: b\r\nAuthorization: c\r\nCookie: d\r\nX-Forwarded-For: e\r\nX-Request-Id: f\r\n",
                ),
            ),
            clean("POST /")
                .field("trailer: Host, Authorization, Cookie, X-Forwarded-For, X-Request-Id")
                .chunked(without),
        ),
        passed(
            "what belongs to the connection",
            request(
                "Trailer: Connection, Upgrade, TE\r\n",
                &body("Connection: close\r\nUpgrade: x\r\nTE: gzip\r\n"),
            ),
            clean("POST /")
                .field("trailer: Connection, Upgrade, TE")
                .chunked(without),
        ),
    ];
    Bench::start().await.run(&cases).await;
}
