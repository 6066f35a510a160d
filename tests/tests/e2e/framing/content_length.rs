//! `Content-Length`: one number.

use super::case::{Bench, Case, clean, passed, refused};

fn request(lengths: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{lengths}\r\nabc")
}

fn malformed(what: &'static str, lengths: &str) -> Case {
    refused(what, 400, request(lengths))
}

#[tokio::test]
async fn a_content_length_is_one_number() {
    let one = || clean("POST /").body("abc");
    let cases = [
        malformed(
            "two that differ",
            "Content-Length: 3\r\nContent-Length: 4\r\n",
        ),
        malformed("two that differ, in a list", "Content-Length: 3, 4\r\n"),
        malformed("the same in a list", "Content-Length: 3, 3\r\n"),
        malformed("empty", "Content-Length: \r\n"),
        malformed("a plus", "Content-Length: +3\r\n"),
        malformed("a minus", "Content-Length: -3\r\n"),
        malformed("hexadecimal", "Content-Length: 0x3\r\n"),
        malformed("a fraction", "Content-Length: 3.0\r\n"),
        malformed("an exponent", "Content-Length: 3e0\r\n"),
        malformed("a blank inside", "Content-Length: 3 3\r\n"),
        malformed("a letter behind", "Content-Length: 3b\r\n"),
        malformed("digits of another script", "Content-Length: ３\r\n"),
        malformed("a vertical tab", "Content-Length: \x0b3\r\n"),
        malformed("quoted", "Content-Length: \"3\"\r\n"),
        malformed("folded", "Content-Length:\r\n 3\r\n"),
        malformed("a space before the colon", "Content-Length : 3\r\n"),
        malformed(
            "more than 64 bits",
            "Content-Length: 18446744073709551619\r\n",
        ),
        // The HTTP library has no other word for it.
        refused(
            "all of 64 bits",
            431,
            request("Content-Length: 18446744073709551615\r\n"),
        ),
        refused(
            "more than the route takes",
            413,
            request("Content-Length: 99999999999\r\n"),
        ),
        passed(
            "the same twice",
            request("Content-Length: 3\r\nContent-Length: 3\r\n"),
            one(),
        ),
        passed(
            "blanks around it",
            request("Content-Length: \t 3 \t\r\n"),
            one(),
        ),
        passed(
            "of a GET",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
            clean("GET /").body("abc"),
        ),
        passed(
            "zero",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            clean("POST /").body(""),
        ),
        passed(
            "a POST without one has no body",
            "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
            clean("POST /"),
        ),
    ];
    Bench::start().await.run(&cases).await;
}
