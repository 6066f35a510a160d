//! HTTP/2 requests, field by field and frame by frame.

use tests::frames::{Field, Frames, Outcome, PROTOCOL_ERROR};

use super::case::{Bench, Clean, Saw, clean};

/// A request and what may become of it.
struct Case {
    what: &'static str,
    head: Vec<(Vec<u8>, Vec<u8>)>,
    body: Option<&'static [u8]>,
    trailers: Vec<(Vec<u8>, Vec<u8>)>,
    /// `None` when it must be refused.
    seen: Option<Clean>,
    /// The status of a refusal, where a reset of the stream will not do.
    status: Option<u16>,
}

/// `GET / ` of host `a`, with one pseudo-header or field replaced, or added when it is not there.
fn get(fields: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut head = vec![
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/"),
    ];
    for field in fields {
        match head.iter_mut().find(|(name, _)| *name == field.0) {
            Some(known) => *known = *field,
            None => head.push(*field),
        }
    }
    owned(&head)
}

fn owned(fields: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let fields = fields.iter();
    fields
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect()
}

fn borrowed(fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<Field<'_>> {
    let fields = fields.iter();
    fields
        .map(|(name, value)| (&name[..], &value[..]))
        .collect()
}

/// A request with this field is malformed: its stream is reset, or answered 400.
fn malformed(what: &'static str, field: (&str, &str)) -> Case {
    malformed_head(what, get(&[field]))
}

fn malformed_head(what: &'static str, head: Vec<(Vec<u8>, Vec<u8>)>) -> Case {
    Case {
        what,
        head,
        body: None,
        trailers: Vec::new(),
        seen: None,
        status: None,
    }
}

/// A request that lacks one of its four pseudo-headers.
fn without(what: &'static str, name: &str) -> Case {
    let mut head = get(&[]);
    head.retain(|(found, _)| found != name.as_bytes());
    malformed_head(what, head)
}

fn passed(what: &'static str, fields: &[(&str, &str)], seen: Clean) -> Case {
    Case {
        seen: Some(seen),
        ..malformed_head(what, get(fields))
    }
}

impl Case {
    fn body(mut self, body: &'static str) -> Self {
        self.body = Some(body.as_bytes());
        self
    }

    fn trailers(mut self, trailers: &[(&str, &str)]) -> Self {
        self.trailers = owned(trailers);
        self
    }

    fn answered(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    async fn send(&self, frames: &mut Frames) {
        let has_trailers = !self.trailers.is_empty();
        let head_is_all = self.body.is_none() && !has_trailers;
        frames.headers(1, &borrowed(&self.head), head_is_all).await;
        if let Some(body) = self.body {
            frames.data(1, body, !has_trailers).await;
        }
        if has_trailers {
            frames.headers(1, &borrowed(&self.trailers), true).await;
        }
    }

    /// Whether the outcome is one of those that RFC 9113, section 8.1.1, has for this request.
    fn allows(&self, outcome: Outcome) -> bool {
        match (&self.seen, self.status) {
            (Some(_), _) => outcome == Outcome::Answer(200),
            (None, Some(status)) => outcome == Outcome::Answer(status),
            (None, None) => matches!(
                outcome,
                Outcome::Answer(400)
                    | Outcome::Reset(PROTOCOL_ERROR)
                    | Outcome::GoAway(PROTOCOL_ERROR)
            ),
        }
    }
}

async fn run(cases: Vec<Case>) {
    let mut bench = Bench::start().await;
    let mut wrong = String::new();
    for case in cases {
        let mut frames = Frames::over(bench.gateway.raw().await).await;
        case.send(&mut frames).await;
        let outcome = frames.outcome(1).await;
        let seen = bench.seen().await;
        let well = match &case.seen {
            Some(clean) => seen == [Saw::Whole(clean.to_wire())],
            None => seen
                .iter()
                .all(|saw| matches!(saw, Saw::Beginning(_)) && case.body.is_some()),
        };
        if !well || !case.allows(outcome) {
            let may = case.seen.as_ref().map(Clean::to_wire);
            wrong += &format!(
                "── {}\n  {outcome:?}\n  upstream got\n    {seen:?}\n  and may get\n    {may:?}\n",
                case.what
            );
        }
    }
    bench.gateway.assert_sound();
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[tokio::test]
async fn pseudo_headers_are_all_there_once_and_first() {
    let twice = |name: &str, value: &str| [get(&[]), owned(&[(name, value)])].concat();
    let late = [owned(&[("x", "y")]), get(&[])].concat();
    run(vec![
        without("no method", ":method"),
        without("no scheme", ":scheme"),
        without("no path", ":path"),
        without("no authority and no Host", ":authority"),
        malformed_head("two methods", twice(":method", "POST")),
        malformed_head("two paths", twice(":path", "/b")),
        malformed_head("two authorities", twice(":authority", "b")),
        malformed_head("a field before them", late),
        malformed("an unknown one", (":x", "y")),
        malformed("one of answers", (":status", "200")),
        malformed("one of extended CONNECT", (":protocol", "websocket")),
        malformed("an empty method", (":method", "")),
        malformed("a method that is no token", (":method", "GET / HTTP/1.1")),
        malformed("a method with lines in it", (":method", "GET\r\nX: y")),
        malformed("an empty path", (":path", "")),
        malformed("a relative path", (":path", "a")),
        malformed("a URI for a path", (":path", "http://b/")),
        malformed("an asterisk for a path", (":path", "*")),
        malformed("a space in the path", (":path", "/a b")),
        malformed("a request in the path", (":path", "/ HTTP/1.1\r\nX: y")),
        malformed("a NUL in the path", (":path", "/\0")),
        malformed("a scheme that is not HTTP's", (":scheme", "ftp")),
        malformed("a scheme that is none", (":scheme", "http://b/?")),
        malformed("an empty authority", (":authority", "")),
        malformed("a user in the authority", (":authority", "user@a")),
        malformed("a path in the authority", (":authority", "a/b")),
        malformed("a space in the authority", (":authority", "a b")),
        malformed("lines in the authority", (":authority", "a\r\nX: y")),
        malformed("a Host that differs", ("host", "b")),
        malformed_head(
            "two Hosts",
            [get(&[("host", "a")]), owned(&[("host", "a")])].concat(),
        ),
        malformed_head(
            "CONNECT",
            owned(&[(":method", "CONNECT"), (":authority", "a:443")]),
        )
        .answered(405),
        malformed("TRACE", (":method", "TRACE")).answered(405),
        passed("all four", &[], clean("GET /")),
        passed("Host says the same", &[("host", "a")], clean("GET /")),
        Case {
            seen: Some(clean("GET /")),
            ..malformed_head(
                "Host alone",
                owned(&[
                    (":method", "GET"),
                    (":scheme", "http"),
                    (":path", "/"),
                    ("host", "a"),
                ]),
            )
        },
    ])
    .await;
}

#[tokio::test]
async fn fields_are_lower_case_and_of_the_message() {
    run(vec![
        malformed("capitals", ("X-Capital", "y")),
        malformed("an empty name", ("", "y")),
        malformed("a space in the name", ("x y", "z")),
        malformed("a colon in the name", ("x:y", "z")),
        malformed("lines in the name", ("x: y\r\nz", "z")),
        malformed("a NUL in the name", ("x\0", "y")),
        malformed("a name beyond ASCII", ("ä", "y")),
        malformed(
            "lines in the value",
            ("x", "y\r\nTransfer-Encoding: chunked"),
        ),
        malformed("a LF in the value", ("x", "y\nz")),
        malformed("a CR in the value", ("x", "y\rz")),
        malformed("a NUL in the value", ("x", "y\0")),
        malformed("a blank before the value", ("x", " y")),
        malformed("a tab after the value", ("x", "y\t")),
        malformed("Connection", ("connection", "close")),
        malformed("Keep-Alive", ("keep-alive", "timeout=5")),
        malformed("Proxy-Connection", ("proxy-connection", "close")),
        malformed("Transfer-Encoding", ("transfer-encoding", "chunked")),
        malformed(
            "Transfer-Encoding: identity",
            ("transfer-encoding", "identity"),
        ),
        malformed("Upgrade", ("upgrade", "websocket")),
        malformed("TE other than trailers", ("te", "gzip")),
        malformed("a look-alike", ("transfer_encoding", "chunked")),
        passed(
            "TE: trailers",
            &[("te", "trailers")],
            clean("GET /").field("te: trailers"),
        ),
        passed(
            "HTTP2-Settings",
            &[("http2-settings", "AAMAAABk")],
            clean("GET /"),
        ),
        passed("Expect", &[("expect", "100-continue")], clean("GET /")),
        passed("beyond ASCII", &[("x", "ä")], clean("GET /").field("x: ä")),
        Case {
            head: [get(&[("cookie", "a=1")]), owned(&[("cookie", "b=2")])].concat(),
            ..passed(
                "cookies in crumbs",
                &[],
                clean("GET /").field("cookie: a=1; b=2"),
            )
        },
    ])
    .await;
}

#[tokio::test]
async fn a_length_is_what_comes() {
    let post = (":method", "POST");
    let length = |length: &'static str| [post, ("content-length", length)];
    let abc = || clean("POST /").chunked("3\r\nabc\r\n0\r\n\r\n");
    let wrong = |what, announced: &'static str| malformed_head(what, get(&length(announced)));
    run(vec![
        wrong("more than comes", "4").body("abc"),
        wrong("less than comes", "2").body("abc"),
        wrong("of a body that does not come", "3"),
        wrong("none that is a number", "+3").body("abc"),
        wrong("a list", "3, 3").body("abc"),
        Case {
            head: [get(&length("3")), owned(&[("content-length", "4")])].concat(),
            ..wrong("two", "3").body("abc")
        },
        Case {
            head: [get(&length("3")), owned(&[("content-length", "3")])].concat(),
            ..wrong("the same twice", "3").body("abc")
        },
        passed("what comes", &length("3"), clean("POST /").body("abc")).body("abc"),
        passed("nothing", &length("0"), clean("POST /").body("")),
        passed("not said", &[post], abc()).body("abc"),
        passed("no body", &[post], clean("POST /")),
    ])
    .await;
}

#[tokio::test]
async fn trailers_are_fields_and_harmless() {
    let post = |announced: &'static str| [(":method", "POST"), ("trailer", announced)];
    let without = "3\r\nabc\r\n0\r\n\r\n";
    run(vec![
        // Malformed by RFC 9113, section 8.1; the HTTP library drops it instead.
        passed(
            "a pseudo-header goes nowhere",
            &[(":method", "POST")],
            clean("POST /").chunked(without),
        )
        .body("abc")
        .trailers(&[(":path", "/b")]),
        malformed("capitals", (":method", "POST"))
            .body("abc")
            .trailers(&[("X-Sum", "7")]),
        malformed("Transfer-Encoding", (":method", "POST"))
            .body("abc")
            .trailers(&[("transfer-encoding", "chunked")]),
        passed(
            "announced",
            &post("x-sum"),
            clean("POST /")
                .field("trailer: x-sum")
                .chunked("3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n"),
        )
        .body("abc")
        .trailers(&[("x-sum", "7")]),
        passed(
            "who asks",
            &post("x-forwarded-for, host"),
            clean("POST /")
                .field("trailer: x-forwarded-for, host")
                .chunked(without),
        )
        .body("abc")
        .trailers(&[("x-forwarded-for", "1.2.3.4"), ("host", "b")]),
    ])
    .await;
}
