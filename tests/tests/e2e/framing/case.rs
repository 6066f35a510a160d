//! One line of the tables, and how it is run.

use std::time::Duration;

use tests::upstream::{Received, Recording, Seen};
use tests::{Gateway, PATIENCE, Raw, ReplyExt as _, eventually, plain_client};

use crate::{GATEWAY, everything_to};

/// Sent behind what is refused.
const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Asked after each case: when it has come through, so has everything before it.
const SENTINEL: &str = "/sentinel";

/// How long the gateway may be silent before it closes.
const SILENCE: Duration = Duration::from_secs(8);

/// Bytes, and what may become of them.
#[derive(Debug)]
pub(super) struct Case {
    what: &'static str,
    sent: Vec<u8>,
    /// The client closes its side when it has sent everything.
    hangs_up: bool,
    /// Statuses of all answers until the gateway closes.
    answers: Vec<u16>,
    upstream: Upstream,
}

/// What the upstream may have seen.
#[derive(Debug)]
enum Upstream {
    /// These whole requests and not a byte more.
    Requests(Vec<String>),
    /// At most the beginning of one request, never a whole one.
    NothingWhole,
}

/// The gateway closes after this status, and nothing goes to the upstream.
pub(super) fn refused(what: &'static str, status: u16, sent: impl AsRef<[u8]>) -> Case {
    Case {
        what,
        sent: sent.as_ref().to_vec(),
        hangs_up: false,
        answers: vec![status],
        upstream: Upstream::Requests(Vec::new()),
    }
}

/// The body is at fault, and is seen to be so when part of it may be on its way: the upstream's request
/// is cut off.
pub(super) fn cut_off(what: &'static str, status: u16, sent: impl AsRef<[u8]>) -> Case {
    Case {
        upstream: Upstream::NothingWhole,
        ..refused(what, status, sent)
    }
}

/// The client leaves in the midst of its head.
pub(super) fn abandoned(what: &'static str, sent: impl AsRef<[u8]>) -> Case {
    Case {
        hangs_up: true,
        answers: Vec::new(),
        ..refused(what, 400, sent)
    }
}

/// The client leaves in the midst of its body, which is told that it was too short if it still listens.
pub(super) fn abandoned_body(what: &'static str, sent: impl AsRef<[u8]>) -> Case {
    Case {
        hangs_up: true,
        ..cut_off(what, 400, sent)
    }
}

/// The upstream gets exactly this and answers 200.
pub(super) fn passed(what: &'static str, sent: impl AsRef<[u8]>, seen: Clean) -> Case {
    passed_all(what, sent, [seen])
}

/// The same with several requests on one connection.
pub(super) fn passed_all(
    what: &'static str,
    sent: impl AsRef<[u8]>,
    seen: impl IntoIterator<Item = Clean>,
) -> Case {
    let seen: Vec<String> = seen.into_iter().map(|clean| clean.to_wire()).collect();
    Case {
        what,
        sent: sent.as_ref().to_vec(),
        hangs_up: false,
        answers: vec![200; seen.len()],
        upstream: Upstream::Requests(seen),
    }
}

impl Case {
    /// Other statuses than the ones that follow from what passes.
    pub(super) fn answered(mut self, answers: &[u16]) -> Self {
        self.answers = answers.to_vec();
        self
    }
}

/// A request as the upstream gets it.
#[derive(Debug)]
pub(super) struct Clean {
    line: String,
    host: &'static str,
    fields: Vec<String>,
    body: &'static str,
}

/// A request for host `a` without fields and body of its own.
pub(super) fn clean(method_and_target: &str) -> Clean {
    Clean {
        line: format!("{method_and_target} HTTP/1.1"),
        host: "a",
        fields: Vec::new(),
        body: "",
    }
}

impl Clean {
    /// Another host; none when empty: the upstream is then called by its own name.
    pub(super) fn host(mut self, host: &'static str) -> Self {
        self.host = host;
        self
    }

    pub(super) fn field(mut self, field: &str) -> Self {
        self.fields.push(field.to_owned());
        self
    }

    /// A body of a length that is announced.
    pub(super) fn body(self, body: &'static str) -> Self {
        let length = format!("content-length: {}", body.len());
        Self {
            body,
            ..self.field(&length)
        }
    }

    /// A body in chunks, as it is on the wire when all data is in one.
    pub(super) fn chunked(self, body: &'static str) -> Self {
        Self {
            body,
            ..self.field("transfer-encoding: chunked")
        }
    }

    /// The bytes with everything that the gateway says of the client, fields sorted.
    pub(super) fn to_wire(&self) -> String {
        let mut fields = self.fields.clone();
        match self.host {
            "" => fields.push("host: upstream".to_owned()),
            host => fields.extend([format!("host: {host}"), format!("x-forwarded-host: {host}")]),
        }
        fields.extend([
            "x-forwarded-for: 127.0.0.1".to_owned(),
            "x-forwarded-proto: http".to_owned(),
            "x-request-deadline-ms: 15000".to_owned(),
            "x-request-id: *".to_owned(),
            "traceparent: *".to_owned(),
        ]);
        fields.sort();
        format!(
            "{}\r\n{}\r\n\r\n{}",
            self.line,
            fields.join("\r\n"),
            self.body
        )
    }
}

/// What the upstream got, with stars for the two ids that no test can know.
fn wire(mut request: Received) -> String {
    for (name, value) in &mut request.fields {
        let length = match name.as_str() {
            "x-request-id" => 32,
            "traceparent" => 55,
            _ => continue,
        };
        let hex = value
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
        if hex && value.len() == length {
            "*".clone_into(value);
        }
    }
    request.to_string()
}

/// A gateway in front of a recording upstream.
pub(super) struct Bench {
    pub(super) gateway: Gateway,
    upstream: Recording,
    /// Asks what the gateway is doing; one, because clients are not made in no time.
    client: reqwest::Client,
}

impl Bench {
    pub(super) async fn start() -> Self {
        let upstream = Recording::start().await;
        let gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
        Self {
            gateway,
            upstream,
            client: plain_client(),
        }
    }

    /// Runs every case, and shows all that went wrong.
    pub(super) async fn run(mut self, cases: &[Case]) {
        let mut wrong = Vec::new();
        for case in cases {
            wrong.extend(self.judge(case, &case.sent).await.err());
            let is_refused = !case.hangs_up && case.answers.iter().all(|status| *status >= 400);
            if is_refused {
                let sent = [&case.sent, SMUGGLED].concat();
                let again = self.judge(case, &sent).await;
                wrong.extend(
                    again
                        .err()
                        .map(|why| format!("with a second request: {why}")),
                );
            }
        }
        self.gateway.assert_sound();
        let count = wrong.len();
        assert!(
            wrong.is_empty(),
            "{count} of {}:\n{}",
            cases.len(),
            wrong.join("\n")
        );
    }

    async fn judge(&self, case: &Case, sent: &[u8]) -> Result<(), String> {
        let mut raw: Raw = self.gateway.raw().await;
        raw.send(sent).await;
        if case.hangs_up {
            raw.finish().await;
        }
        // A refusal must close by itself; what is answered well may be asked on.
        let asked = match case.upstream {
            Upstream::Requests(_) if case.answers.iter().any(|status| *status < 400) => {
                case.answers.len()
            }
            _ => usize::MAX,
        };
        let (answers, closed) = raw.answers(asked, SILENCE).await;
        if !closed {
            drop(raw);
        }
        let seen = self.seen().await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        let well = match &case.upstream {
            Upstream::Requests(wanted) => {
                let wanted: Vec<_> = wanted.iter().map(|wire| Saw::Whole(wire.clone())).collect();
                seen == wanted
            }
            Upstream::NothingWhole => seen.iter().all(|saw| matches!(saw, Saw::Beginning(_))),
        };
        if well && closed && statuses == case.answers {
            return Ok(());
        }
        let upstream = seen.iter().map(|saw| format!("    {saw:?}\n"));
        let upstream: String = upstream.collect();
        Err(format!(
            "── {}\n{:?}\n  answers {statuses:?}, expected {:?}; closed: {closed}\n  upstream got\n{upstream}  and may get\n    {:?}",
            case.what,
            String::from_utf8_lossy(sent),
            case.answers,
            case.upstream,
        ))
    }

    /// What the upstream has got since the last time, when nothing more is on its way.
    pub(super) async fn seen(&self) -> Vec<Saw> {
        eventually("the end of what is on its way", PATIENCE, async || {
            let page = self.gateway.http("admin", "/upstreams");
            let page = self.client.get(page).reply().await.expect(200).json();
            (page["items"][0]["endpoints"][0]["in_flight"] == 0).then_some(())
        })
        .await;
        let sentinel = self.gateway.http("plain", SENTINEL);
        self.client.get(sentinel).reply().await.expect(200);
        let sentinel = format!("GET {SENTINEL} HTTP/1.1");
        let own = self.upstream.url().replace("http://", "host: ");
        let seen = self.upstream.take();
        seen.into_iter()
            .filter(|seen| !matches!(seen, Seen::Request(request) if request.line == sentinel))
            .map(|seen| match seen {
                Seen::Request(request) => Saw::Whole(wire(request).replace(&own, "host: upstream")),
                Seen::Unfinished(text) => Saw::Beginning(text),
                Seen::Malformed(why) => Saw::Malformed(why),
            })
            .collect()
    }
}

/// [`Seen`], in words that can be compared.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Saw {
    Whole(String),
    Beginning(String),
    Malformed(String),
}
