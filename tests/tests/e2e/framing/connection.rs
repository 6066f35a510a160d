//! What belongs to one connection stays on it.

use super::case::{Bench, clean, passed};

fn request(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[tokio::test]
async fn what_connection_names_is_not_passed_on_but_what_the_request_means_is() {
    let get = || clean("GET /");
    let cases = [
        passed(
            "what Connection names",
            request("Connection: X-A, close, x-b\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\n"),
            get().field("x-c: 3"),
        ),
        passed(
            "in two lines",
            request("Connection: X-A\r\nConnection: X-B\r\nX-A: 1\r\nX-B: 2\r\n"),
            get(),
        ),
        passed(
            "Keep-Alive and its kin",
            request(
                "Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: x\r\n",
            ),
            get(),
        ),
        passed(
            "Connection names Host",
            request("Connection: Host\r\n"),
            get(),
        ),
        passed(
            "Connection names what is ours",
            request("Connection: X-Forwarded-For, X-Request-Id, Traceparent\r\n"),
            get(),
        ),
        passed(
            "Connection names a token",
            request("Connection: Authorization\r\nAuthorization: Basic eDp5\r\n"),
            get().field("authorization: Basic eDp5"),
        ),
        passed(
            "Connection names the length",
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: Content-Length\r\nContent-Length: 3\r\n\r\nabc",
            clean("POST /").body("abc"),
        ),
        passed(
            "Connection names the encoding",
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            clean("POST /").chunked("3\r\nabc\r\n0\r\n\r\n"),
        ),
    ];
    Bench::start().await.run(&cases).await;
}

#[tokio::test]
async fn what_is_for_this_hop_is_not_passed_on() {
    let upgrade =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    let get = || clean("GET /");
    let cases = [
        passed("an upgrade to h2c", request(upgrade), get()),
        passed(
            "an upgrade to h2c that Connection does not name",
            request("Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
            get(),
        ),
        passed(
            "codings that we do not take",
            request("TE: gzip;q=1\r\n"),
            get(),
        ),
        passed(
            "what is said of the client",
            request(
                "Forwarded: for=1.2.3.4\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nX-Real-IP: 1.2.3.4\r\n",
            ),
            get(),
        ),
        passed(
            "a deadline of a stranger",
            request("X-Request-Deadline-Ms: 1\r\n"),
            get(),
        ),
        passed(
            "HTTP/1.0 without a host",
            "GET / HTTP/1.0\r\n\r\n",
            get().host(""),
        ),
        passed(
            "HTTP/1.0 is passed on as HTTP/1.1",
            "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
            get(),
        ),
    ];
    Bench::start().await.run(&cases).await;
}

#[tokio::test]
async fn an_expectation_is_met_here() {
    let post = |expect: &str| {
        format!("POST / HTTP/1.1\r\nHost: a\r\nExpect: {expect}\r\nContent-Length: 3\r\n\r\nabc")
    };
    let abc = || clean("POST /").body("abc");
    let cases = [
        passed("100-continue", post("100-continue"), abc()).answered(&[100, 200]),
        passed("in capitals", post("100-CONTINUE"), abc()).answered(&[100, 200]),
        passed("one that nobody knows", post("a-pony"), abc()),
        passed(
            "without a body",
            request("Expect: 100-continue\r\n"),
            clean("GET /"),
        ),
        passed(
            "of HTTP/1.0",
            "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
            abc(),
        ),
    ];
    Bench::start().await.run(&cases).await;
}
