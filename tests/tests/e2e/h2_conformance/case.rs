//! A case and how it is run.

use axum::routing::any;
use tests::Gateway;
use tests::frames::{Field, Frames, Outcome, block, flag, frame, kind};
use tests::upstream::{Fake, echo};

use crate::{GATEWAY, everything_to};

/// Error codes of RFC 9113, section 7.
pub(super) const PROTOCOL_ERROR: u32 = 1;
pub(super) const FLOW_CONTROL_ERROR: u32 = 3;
pub(super) const STREAM_CLOSED: u32 = 5;
pub(super) const FRAME_SIZE_ERROR: u32 = 6;
pub(super) const CANCEL: u32 = 8;
pub(super) const COMPRESSION_ERROR: u32 = 9;

/// A stream on which nothing comes: waiting for it is waiting for the connection's end.
const CONNECTION: u32 = 0;

/// Beyond all that the cases open.
const LATER: u32 = 10_001;

/// Octets of the largest frame that everybody takes.
pub(super) const FRAME_BYTES_MAX: usize = 16_384;

pub(super) struct Case {
    section: &'static str,
    what: &'static str,
    steps: Vec<Step>,
    then: Then,
}

enum Step {
    Send(Vec<u8>),
    /// Waits for the whole answer on a stream.
    Answered(u32),
}

/// What must come of it.
#[derive(Debug)]
enum Then {
    /// Nothing: the next request on the connection is answered.
    Served,
    /// A stream error of one of these codes, which may be treated as one of the connection (section
    /// 5.4).
    Stream(u32, &'static [u32]),
    /// A connection error of one of these codes, or of the general one, and the connection's end. The
    /// library rarely uses the specific codes, which tell nobody but a developer more.
    Connection(&'static [u32]),
}

/// A case of a section that so far sends nothing.
pub(super) fn case(section: &'static str, what: &'static str) -> Case {
    Case {
        section,
        what,
        steps: Vec::new(),
        then: Then::Served,
    }
}

impl Case {
    pub(super) fn send(mut self, bytes: Vec<u8>) -> Self {
        self.steps.push(Step::Send(bytes));
        self
    }

    pub(super) fn answered(mut self, stream: u32) -> Self {
        self.steps.push(Step::Answered(stream));
        self
    }

    pub(super) fn resets(mut self, stream: u32, codes: &'static [u32]) -> Self {
        self.then = Then::Stream(stream, codes);
        self
    }

    pub(super) fn ends(mut self, codes: &'static [u32]) -> Self {
        self.then = Then::Connection(codes);
        self
    }

    /// What went wrong, if anything.
    async fn play(&self, frames: &mut Frames) -> Result<(), String> {
        for step in &self.steps {
            match step {
                Step::Send(bytes) => frames.bytes(bytes).await,
                Step::Answered(stream) => match frames.outcome(*stream).await {
                    Outcome::Answer(200) => {}
                    other => return Err(format!("the request before it: {other:?}")),
                },
            }
        }
        let (outcome, well) = match self.then {
            Then::Served => {
                frames.headers(LATER, &GET, true).await;
                let outcome = frames.outcome(LATER).await;
                (outcome, outcome == Outcome::Answer(200))
            }
            Then::Stream(stream, codes) => {
                let outcome = frames.outcome(stream).await;
                let general = outcome == Outcome::GoAway(PROTOCOL_ERROR);
                (outcome, general || is_one_of(outcome, codes))
            }
            Then::Connection(codes) => {
                let outcome = frames.outcome(CONNECTION).await;
                let goes_away = matches!(outcome, Outcome::GoAway(_));
                if goes_away && !frames.closes().await {
                    return Err("the connection stays open".to_owned());
                }
                let general = outcome == Outcome::GoAway(PROTOCOL_ERROR);
                (outcome, general || goes_away && is_one_of(outcome, codes))
            }
        };
        if well {
            return Ok(());
        }
        Err(format!("{outcome:?} instead of {:?}", self.then))
    }
}

fn is_one_of(outcome: Outcome, codes: &[u32]) -> bool {
    matches!(outcome, Outcome::Reset(code) | Outcome::GoAway(code) if codes.contains(&code))
}

/// A gateway before an upstream that answers with what it got, and on `/hang` never.
pub(super) async fn start() -> (Gateway, Fake) {
    let never = any(async || std::future::pending::<()>().await);
    let upstream = Fake::start(echo("only").route("/hang", never)).await;
    let gateway = Gateway::start(GATEWAY, &everything_to(&upstream.url())).await;
    (gateway, upstream)
}

/// Runs all cases and tells of all that went wrong.
pub(super) async fn run(cases: Vec<Case>) {
    let (mut gateway, _upstream) = start().await;
    let mut wrong = String::new();
    for case in cases {
        let mut frames = Frames::over(gateway.raw_tls(b"h2").await).await;
        if let Err(what) = case.play(&mut frames).await {
            wrong += &format!("{} {}: {what}\n", case.section, case.what);
        }
        gateway.get("/").await.expect(200);
    }
    gateway.assert_sound();
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// A whole request.
pub(super) const GET: [Field<'_>; 4] = request(b"GET", b"/");

/// The head of one with a body.
pub(super) const POST: [Field<'_>; 4] = request(b"POST", b"/");

/// A request that is not answered.
pub(super) const HANG: [Field<'_>; 4] = request(b"GET", b"/hang");

/// The head of one with a body.
pub(super) const HANG_POST: [Field<'_>; 4] = request(b"POST", b"/hang");

const fn request<'f>(method: &'f [u8], path: &'f [u8]) -> [Field<'f>; 4] {
    [
        (b":method", method),
        (b":scheme", b"https"),
        (b":authority", b"localhost"),
        (b":path", path),
    ]
}

/// HEADERS with all of a block.
pub(super) fn headers(stream: u32, fields: &[Field<'_>], last: bool) -> Vec<u8> {
    let end = if last { flag::END_STREAM } else { 0 };
    frame(
        kind::HEADERS,
        flag::END_HEADERS | end,
        stream,
        &block(fields),
    )
}

pub(super) fn data(stream: u32, bytes: &[u8], last: bool) -> Vec<u8> {
    let flags = if last { flag::END_STREAM } else { 0 };
    frame(kind::DATA, flags, stream, bytes)
}

pub(super) fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, &code.to_be_bytes())
}

pub(super) fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

/// SETTINGS with one parameter.
pub(super) fn setting(id: u16, value: u32) -> Vec<u8> {
    let payload = [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(kind::SETTINGS, 0, 0, &payload)
}

pub(super) fn priority(stream: u32, depends_on: u32) -> Vec<u8> {
    let payload = [&depends_on.to_be_bytes()[..], &[15]].concat();
    frame(kind::PRIORITY, 0, stream, &payload)
}
