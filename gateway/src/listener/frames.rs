//! Counts HTTP/2 frames that cost us more than the client that sends them.
//!
//! HTTP/2 lets a client ask for work with frames that no flow control holds back. The `h2` library bounds
//! some of them (CONTINUATION frames of one block, empty and tiny DATA, streams reset before we took
//! them, streams that we had to reset); it has no counters for the others. A [`FrameMeter`] looks at the
//! bytes as they pass by, after TLS, and reads nothing but frame headers: no copy, no allocation. It also
//! sees to it that SETTINGS come first, which the library does not.

use crate::balance::Instant;
use crate::defaults::{
    H2_CONTINUATIONS_MAX, H2_FLOOD_WINDOW, H2_OTHER_FRAMES_MAX, H2_PING_BYTES, H2_PINGS_MAX,
    H2_RESETS_MAX, H2_SETTINGS_MAX, H2_WINDOW_UPDATE_BYTES, H2_WINDOW_UPDATES_MAX,
};

/// `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`.
const PREFACE_BYTES: usize = 24;

/// Length, type, flags and stream of a frame.
const HEAD_BYTES: usize = 9;

const END_HEADERS: u8 = 4;

/// Frame types of RFC 9113, section 6.
mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PING: u8 = 6;
    pub(super) const WINDOW_UPDATE: u8 = 8;
    pub(super) const CONTINUATION: u8 = 9;
}

/// What a client sent too much of, or too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Offence {
    #[error("too many streams were reset")]
    Resets,
    #[error("too many PING frames for what was sent")]
    Pings,
    #[error("too many SETTINGS frames")]
    Settings,
    #[error("too many CONTINUATION frames")]
    Continuations,
    #[error("too many WINDOW_UPDATE frames for what was sent")]
    WindowUpdates,
    #[error("too many frames that ask for nothing")]
    Others,
    #[error("the first frame is not SETTINGS")]
    Preface,
}

impl Offence {
    /// A bounded label for metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Resets => "h2_reset_flood",
            Self::Pings => "h2_ping_flood",
            Self::Settings => "h2_settings_flood",
            Self::Continuations => "h2_continuation_flood",
            Self::WindowUpdates => "h2_window_update_flood",
            Self::Others => "h2_frame_flood",
            Self::Preface => "malformed_request",
        }
    }

    /// The error code of RFC 9113, section 7.
    fn code(self) -> u32 {
        match self {
            Self::Preface => 1,
            _ => 11,
        }
    }
}

/// Follows what one HTTP/2 client sends.
#[derive(Debug)]
pub(super) struct FrameMeter {
    preface_left: usize,
    /// SETTINGS have come: they are the preface's second half (RFC 9113, section 3.4).
    greeted: bool,
    head: [u8; HEAD_BYTES],
    head_filled: usize,
    /// Of the frame that `kind` names.
    payload_left: usize,
    kind: u8,
    /// A header block has begun and not ended.
    block_open: bool,
    /// The highest stream that the client has opened.
    last_stream: u32,
    /// Clients of our own may reset as many streams as they like.
    counts_resets: bool,
    window: Window,
}

/// Counts of the present stretch of time.
#[derive(Debug, Default)]
struct Window {
    started: Option<Instant>,
    resets: u32,
    pings: u32,
    settings: u32,
    continuations: u32,
    window_updates: u32,
    others: u32,
    /// Bytes that we have sent.
    written: u64,
    /// The same in the stretch before: its updates may come only now.
    written_before: u64,
}

impl Window {
    /// Begins anew when the time is over.
    fn roll(&mut self, now: Instant) {
        let started = *self.started.get_or_insert(now);
        if now.since(started) >= H2_FLOOD_WINDOW {
            *self = Self {
                started: Some(now),
                written_before: self.written,
                ..Self::default()
            };
        }
    }

    /// How many frames the bytes that we have sent excuse, at so many bytes each.
    fn earned(&self, bytes_each: u64) -> u32 {
        let written = self.written.saturating_add(self.written_before);
        u32::try_from(written / bytes_each).unwrap_or(u32::MAX)
    }

    /// Counts a frame of a kind that is limited.
    fn count(&mut self, kind: u8, counts_resets: bool) -> Result<(), Offence> {
        let (count, max, flood) = match kind {
            kind::RST_STREAM if !counts_resets => return Ok(()),
            kind::RST_STREAM => (&mut self.resets, H2_RESETS_MAX, Offence::Resets),
            kind::PING => {
                let max = H2_PINGS_MAX.saturating_add(self.earned(H2_PING_BYTES));
                (&mut self.pings, max, Offence::Pings)
            }
            kind::SETTINGS => (&mut self.settings, H2_SETTINGS_MAX, Offence::Settings),
            kind::CONTINUATION => (
                &mut self.continuations,
                H2_CONTINUATIONS_MAX,
                Offence::Continuations,
            ),
            kind::WINDOW_UPDATE => {
                let earned = self.earned(H2_WINDOW_UPDATE_BYTES);
                let max = H2_WINDOW_UPDATES_MAX.saturating_add(earned);
                (&mut self.window_updates, max, Offence::WindowUpdates)
            }
            _ => (&mut self.others, H2_OTHER_FRAMES_MAX, Offence::Others),
        };
        *count = count.saturating_add(1);
        if *count > max { Err(flood) } else { Ok(()) }
    }
}

impl FrameMeter {
    pub(super) fn new(counts_resets: bool) -> Self {
        Self {
            preface_left: PREFACE_BYTES,
            greeted: false,
            head: [0; HEAD_BYTES],
            head_filled: 0,
            payload_left: 0,
            kind: kind::DATA,
            block_open: false,
            last_stream: 0,
            counts_resets,
            window: Window::default(),
        }
    }

    /// Looks at bytes that have come from the client.
    ///
    /// # Errors
    /// The [`Offence`] that ends the connection.
    pub(super) fn received(
        &mut self,
        mut bytes: &[u8],
        now: impl Fn() -> Instant,
    ) -> Result<(), Offence> {
        bytes = skip(bytes, &mut self.preface_left);
        loop {
            bytes = skip(bytes, &mut self.payload_left);
            if bytes.is_empty() {
                return Ok(());
            }
            let free = self.head.get_mut(self.head_filled..).unwrap_or_default();
            let count = free.len().min(bytes.len());
            let (taken, rest) = bytes.split_at(count);
            free.iter_mut()
                .zip(taken)
                .for_each(|(to, from)| *to = *from);
            self.head_filled += count;
            bytes = rest;
            if self.head_filled == HEAD_BYTES {
                self.head_filled = 0;
                self.begin_frame(&now)?;
            }
        }
    }

    fn begin_frame(&mut self, now: impl Fn() -> Instant) -> Result<(), Offence> {
        let [a, b, c, kind, flags, stream @ ..] = self.head;
        self.payload_left = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
        self.kind = kind;
        if !self.greeted {
            if kind != kind::SETTINGS {
                return Err(Offence::Preface);
            }
            self.greeted = true;
            return Ok(());
        }
        match kind {
            kind::DATA => return Ok(()),
            kind::HEADERS => {
                self.block_open = flags & END_HEADERS == 0;
                let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
                self.last_stream = self.last_stream.max(stream);
                return Ok(());
            }
            kind::CONTINUATION => self.block_open = flags & END_HEADERS == 0,
            _ => {}
        }
        self.window.roll(now());
        self.window.count(kind, self.counts_resets)
    }

    /// Notes bytes that have gone to the client.
    pub(super) fn sent(&mut self, count: usize) {
        self.window.written = self.window.written.saturating_add(count as u64);
    }

    /// Whether the client has begun something, other than data, that it must finish soon.
    pub(super) fn is_amid_head(&self) -> bool {
        self.preface_left > 0
            || self.block_open
            || self.head_filled > 0
            || (self.payload_left > 0 && self.kind != kind::DATA)
    }

    /// GOAWAY (RFC 9113, section 6.8) that says why, naming the last stream that we may have acted on.
    pub(super) fn farewell(&self, offence: Offence) -> [u8; HEAD_BYTES + 8] {
        const GOAWAY: [u8; HEAD_BYTES] = [0, 0, 8, 7, 0, 0, 0, 0, 0];
        let mut frame = [0; HEAD_BYTES + 8];
        let parts = GOAWAY
            .into_iter()
            .chain(self.last_stream.to_be_bytes())
            .chain(offence.code().to_be_bytes());
        frame
            .iter_mut()
            .zip(parts)
            .for_each(|(to, from)| *to = from);
        frame
    }
}

/// Passes over as many bytes as are `left`.
fn skip<'b>(bytes: &'b [u8], left: &mut usize) -> &'b [u8] {
    let count = bytes.len().min(*left);
    *left -= count;
    bytes.get(count..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The preface with its empty SETTINGS.
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    const GOAWAY: u8 = 7;
    const PRIORITY: u8 = 2;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    fn at(time: Duration) -> impl Fn() -> Instant {
        move || Instant(1).after(time)
    }

    /// Sends frames one after another, `each` apart, and returns how many passed.
    fn passed(meter: &mut FrameMeter, frame: &[u8], count: u32, each: Duration) -> u32 {
        meter
            .received(PREFACE, at(Duration::ZERO))
            .expect("a preface");
        (0..count)
            .take_while(|turn| meter.received(frame, at(each * *turn)).is_ok())
            .fold(0, |count, _| count + 1)
    }

    #[test]
    fn each_kind_of_frame_has_its_number_in_a_window() {
        for (kind, payload, max) in [
            (kind::RST_STREAM, &[0; 4][..], H2_RESETS_MAX),
            (kind::PING, &[0; 8], H2_PINGS_MAX),
            (kind::SETTINGS, &[], H2_SETTINGS_MAX),
            (kind::CONTINUATION, &[], H2_CONTINUATIONS_MAX),
            (kind::WINDOW_UPDATE, &[0; 4], H2_WINDOW_UPDATES_MAX),
            (PRIORITY, &[0; 5], H2_OTHER_FRAMES_MAX),
            (GOAWAY, &[0; 8], H2_OTHER_FRAMES_MAX),
            (0xfa, b"grease", H2_OTHER_FRAMES_MAX),
        ] {
            let frame = frame(kind, 0, 1, payload);
            let at_once = passed(&mut FrameMeter::new(true), &frame, max * 3, Duration::ZERO);
            assert_eq!(at_once, max, "kind {kind} at once");
            let slowly = H2_FLOOD_WINDOW / max;
            let spread = passed(&mut FrameMeter::new(true), &frame, max * 3, slowly);
            assert_eq!(spread, max * 3, "kind {kind} spread over three windows");
        }
    }

    #[test]
    fn requests_and_data_are_counted_by_others() {
        for frame in [
            frame(kind::HEADERS, END_HEADERS, 1, b"block"),
            frame(kind::DATA, 0, 1, &[7; 100]),
        ] {
            let count = 100_000;
            let passed = passed(&mut FrameMeter::new(true), &frame, count, Duration::ZERO);
            assert_eq!(passed, count);
        }
    }

    #[test]
    fn nothing_comes_before_settings() {
        let (preface, settings) = PREFACE.split_at(PREFACE_BYTES);
        let ping = frame(kind::PING, 0, 0, &[0; 8]);
        let early = [preface, &ping, settings].concat();
        for size in [1, 30, 100] {
            let mut meter = FrameMeter::new(true);
            let mut pieces = early.chunks(size);
            let outcome = pieces.try_for_each(|piece| meter.received(piece, at(Duration::ZERO)));
            assert_eq!(outcome, Err(Offence::Preface), "pieces of {size}");
        }
    }

    #[test]
    fn our_own_clients_may_reset_streams() {
        let frame = frame(kind::RST_STREAM, 0, 1, &[0; 4]);
        let count = H2_RESETS_MAX * 10;
        let passed = passed(&mut FrameMeter::new(false), &frame, count, Duration::ZERO);
        assert_eq!(passed, count);
    }

    #[test]
    fn answers_earn_window_updates_and_pings_in_their_own_window_and_the_next() {
        let late = H2_FLOOD_WINDOW + Duration::from_millis(1);
        for (kind, payload, bytes_each, max) in [
            (
                kind::WINDOW_UPDATE,
                &[0; 4][..],
                H2_WINDOW_UPDATE_BYTES,
                H2_WINDOW_UPDATES_MAX,
            ),
            (kind::PING, &[0; 8], H2_PING_BYTES, H2_PINGS_MAX),
        ] {
            let frame = frame(kind, 0, 0, payload);
            for (when, sent_before) in [(Duration::ZERO, 1), (late, 0)] {
                let mut meter = FrameMeter::new(true);
                meter
                    .received(PREFACE, at(Duration::ZERO))
                    .expect("a preface");
                meter.received(&frame, at(Duration::ZERO)).expect("one");
                meter.sent(usize::try_from(bytes_each).expect("small") * 500);
                let more = (0..10_000)
                    .take_while(|_| meter.received(&frame, at(when)).is_ok())
                    .count();
                let passed = u32::try_from(more).expect("few") + sent_before;
                assert_eq!(passed, max + 500, "kind {kind}, {when:?}");
            }
        }
    }

    #[test]
    fn answers_to_pings_earn_no_more_than_a_few() {
        let ping = frame(kind::PING, 0, 0, &[0; 8]);
        let mut meter = FrameMeter::new(true);
        meter
            .received(PREFACE, at(Duration::ZERO))
            .expect("a preface");
        let passed = (0..10_000)
            .take_while(|_| {
                meter.sent(ping.len());
                meter.received(&ping, at(Duration::ZERO)).is_ok()
            })
            .count();
        assert!(passed < 150, "{passed}");
    }

    #[test]
    fn however_the_bytes_are_cut_the_count_is_the_same() {
        let mut bytes = PREFACE.to_vec();
        for turn in 0..H2_PINGS_MAX {
            bytes.extend(frame(
                kind::HEADERS,
                END_HEADERS,
                turn * 2 + 1,
                b"some block",
            ));
            bytes.extend(frame(kind::DATA, 0, turn * 2 + 1, &[6; 33]));
            bytes.extend(frame(kind::PING, 0, 0, &[0; 8]));
        }
        for size in [1, 2, 8, 9, 10, 17, 4096, bytes.len()] {
            let mut meter = FrameMeter::new(true);
            for piece in bytes.chunks(size) {
                meter
                    .received(piece, at(Duration::ZERO))
                    .expect("not yet too many");
            }
            assert!(!meter.is_amid_head());
            let one_more = meter.received(&frame(kind::PING, 0, 0, &[0; 8]), at(Duration::ZERO));
            assert_eq!(one_more, Err(Offence::Pings), "pieces of {size}");
        }
    }

    #[test]
    fn what_has_begun_and_not_ended_is_seen() {
        let mut meter = FrameMeter::new(true);
        let mut after = |bytes: &[u8]| {
            meter
                .received(bytes, at(Duration::ZERO))
                .expect("few frames");
            meter.is_amid_head()
        };
        assert!(after(&PREFACE[..10]), "half a preface");
        assert!(!after(&PREFACE[10..]), "a preface");
        assert!(after(&[0, 0]), "two bytes of a frame");
        assert!(
            after(&[6, 4, 0, 0, 0, 0, 0]),
            "SETTINGS without its payload"
        );
        assert!(!after(&[0; 6]), "all of SETTINGS");
        assert!(
            after(&frame(kind::HEADERS, 0, 1, b"beginning")),
            "a block to be continued"
        );
        assert!(
            after(&frame(kind::CONTINUATION, 0, 1, b"more")),
            "and continued"
        );
        assert!(
            !after(&frame(kind::CONTINUATION, END_HEADERS, 1, b"end")),
            "and ended"
        );
        assert!(
            !after(&frame(kind::DATA, 0, 1, &[0; 50])[..30]),
            "data may take its time"
        );
    }

    #[test]
    fn the_farewell_names_the_last_stream_and_asks_for_calm() {
        let mut meter = FrameMeter::new(true);
        let request = frame(kind::HEADERS, END_HEADERS, 0x0102_0305, b"");
        meter
            .received(PREFACE, at(Duration::ZERO))
            .expect("a preface");
        meter
            .received(&request, at(Duration::ZERO))
            .expect("a request");
        assert_eq!(
            meter.farewell(Offence::Pings),
            [0, 0, 8, 7, 0, 0, 0, 0, 0, 1, 2, 3, 5, 0, 0, 0, 11]
        );
    }
}
