//! Header fields: names, values, folding.

use super::case::{Bench, Case, clean, passed, refused};

fn request(field: &[u8]) -> Vec<u8> {
    [b"GET / HTTP/1.1\r\nHost: a\r\n", field, b"\r\n\r\n"].concat()
}

fn malformed(what: &'static str, field: &[u8]) -> Case {
    refused(what, 400, request(field))
}

#[tokio::test]
async fn a_field_has_one_reading_or_none() {
    let cases = [
        malformed("no colon", b"X"),
        malformed("no name", b": y"),
        malformed("a space in the name", b"X Y: z"),
        malformed("a space before the colon", b"X : y"),
        malformed("a tab before the colon", b"X\t: y"),
        malformed("a space before the name", b" X: y"),
        malformed("a NUL in the name", b"X\0: y"),
        malformed("a control character in the name", b"X\x01: y"),
        malformed("a separator in the name", b"X(Y): z"),
        malformed("a name beyond ASCII", b"X\xe4: y"),
        malformed("a NUL in the value", b"X: a\0b"),
        malformed("a control character in the value", b"X: a\x01b"),
        malformed("a DEL in the value", b"X: a\x7fb"),
        malformed("a CR in the value", b"X: a\rb"),
        malformed("a CR before the end of line", b"X: a\r"),
        malformed("a line that goes on", b"X: a\r\n b"),
        malformed("a line that goes on after a tab", b"X: a\r\n\tb"),
        refused(
            "a line that goes on before the first",
            400,
            b"GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n",
        ),
        passed(
            "beyond ASCII",
            request(b"X: \xc3\xa4"),
            clean("GET /").field("x: ä"),
        ),
        passed(
            "blanks around a value",
            request(b"X: \t y z \t"),
            clean("GET /").field("x: y z"),
        ),
        passed("no value", request(b"X:"), clean("GET /").field("x: ")),
        passed(
            "an underscore",
            request(b"X_Y: z"),
            clean("GET /").field("x_y: z"),
        ),
        passed(
            "two of a name",
            request(b"X: 1\r\nX: 2"),
            clean("GET /").field("x: 1").field("x: 2"),
        ),
        passed(
            "a word that frames, in a value",
            request(b"X: Transfer-Encoding: chunked"),
            clean("GET /").field("x: Transfer-Encoding: chunked"),
        ),
    ];
    Bench::start().await.run(&cases).await;
}

#[tokio::test]
async fn a_head_has_a_size() {
    let many: String = (0..150).map(|n| format!("X-{n}: 1\r\n")).collect();
    let long = format!("X: {}", "x".repeat(40_000));
    let cases = [
        refused(
            "a hundred fields and more",
            431,
            request(many.trim_end().as_bytes()),
        ),
        refused("32 KiB and more", 431, request(long.as_bytes())),
    ];
    Bench::start().await.run(&cases).await;
}
