//! `Transfer-Encoding`: `chunked`, once, and no length beside it.

use super::case::{Bench, Case, clean, passed, passed_all, refused};

fn request(fields: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n3\r\nabc\r\n0\r\n\r\n")
}

fn malformed(what: &'static str, fields: &str) -> Case {
    refused(what, 400, request(fields))
}

#[tokio::test]
async fn a_transfer_encoding_is_chunked_or_an_error() {
    let cases = [
        malformed(
            "twice",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        ),
        malformed("twice in a list", "Transfer-Encoding: chunked, chunked\r\n"),
        malformed("gzip before it", "Transfer-Encoding: gzip, chunked\r\n"),
        malformed("gzip after it", "Transfer-Encoding: chunked, gzip\r\n"),
        malformed(
            "gzip in a line before",
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        ),
        malformed(
            "identity in a line after",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        ),
        malformed("identity", "Transfer-Encoding: identity\r\n"),
        malformed("unknown", "Transfer-Encoding: xchunked\r\n"),
        malformed("empty", "Transfer-Encoding: \r\n"),
        malformed("a comma before it", "Transfer-Encoding: , chunked\r\n"),
        malformed("a comma after it", "Transfer-Encoding: chunked,\r\n"),
        malformed("a parameter", "Transfer-Encoding: chunked;q=1\r\n"),
        malformed("quoted", "Transfer-Encoding: \"chunked\"\r\n"),
        malformed("a blank inside", "Transfer-Encoding: chunk ed\r\n"),
        malformed("a vertical tab", "Transfer-Encoding: \x0bchunked\r\n"),
        malformed("a no-break space", "Transfer-Encoding: chunked\u{a0}\r\n"),
        malformed("a NUL", "Transfer-Encoding: chunked\0\r\n"),
        malformed("folded", "Transfer-Encoding:\r\n chunked\r\n"),
        malformed(
            "a space before the colon",
            "Transfer-Encoding : chunked\r\n",
        ),
        malformed("a tab before the colon", "Transfer-Encoding\t: chunked\r\n"),
        malformed("behind a CR", "X: y\rTransfer-Encoding: chunked\r\n"),
        malformed("a look-alike", "Transfer_Encoding: chunked\r\n"),
        malformed(
            "unknown, with a length",
            "Content-Length: 3\r\nTransfer-Encoding: xchunked\r\n",
        ),
        refused(
            "of HTTP/1.0",
            400,
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ),
    ];
    Bench::start().await.run(&cases).await;
}

#[tokio::test]
async fn chunks_are_chunks_however_it_is_spelt() {
    let one = || clean("POST /").chunked("3\r\nabc\r\n0\r\n\r\n");
    let follower = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
    let with_length = request("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n");
    let cases = [
        passed(
            "in capitals",
            request("TRANSFER-ENCODING: CHUNKED\r\n"),
            one(),
        ),
        passed(
            "blanks around it",
            request("Transfer-Encoding: \t chunked \t\r\n"),
            one(),
        ),
        passed(
            "behind a LF",
            request("X: y\nTransfer-Encoding: chunked\r\n"),
            one().field("x: y"),
        ),
        // RFC 9112, section 6.1: the length goes, and so does the connection.
        passed_all(
            "a length after it",
            format!("{with_length}{follower}"),
            [one()],
        ),
        passed_all(
            "a length before it",
            format!(
                "{}{follower}",
                request("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n")
            ),
            [one()],
        ),
    ];
    Bench::start().await.run(&cases).await;
}
