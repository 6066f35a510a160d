//! Bounds interim answers: 1xx are consumed, but not for ever (RFC 9110, section 15.2).
//!
//! hyper skips any number of them before it hands out an answer's head, so an endpoint could keep a
//! connection busy with `100 Continue` alone. What is read from the socket is therefore looked at on
//! its way: of HTTP/1.1 the status lines, of HTTP/2 the frame headers. Nothing is copied or kept; the
//! ordinary answer costs a look at its first twelve bytes.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use crate::defaults::INTERIM_RESPONSES_MAX;

/// Sees every byte that comes from the peer.
pub(super) trait Watch {
    /// # Errors
    /// What ends the connection, of kind [`io::ErrorKind::InvalidData`].
    fn see(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Hears why nothing more comes.
    fn failed(&mut self, _error: &io::Error) {}
}

/// A stream whose incoming bytes are watched.
#[derive(Debug)]
pub(super) struct Watched<S, W> {
    stream: S,
    watch: W,
}

impl<S, W> Watched<S, W> {
    pub(super) fn new(stream: S, watch: W) -> Self {
        Self { stream, watch }
    }
}

impl<S: AsyncRead + Unpin, W: Watch + Unpin> AsyncRead for Watched<S, W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let this = &mut *self;
        let read = std::task::ready!(Pin::new(&mut this.stream).poll_read(cx, buf));
        let seen = read.and_then(|()| match buf.filled().get(before..) {
            Some(fresh) => this.watch.see(fresh),
            None => Ok(()),
        });
        if let Err(error) = &seen {
            this.watch.failed(error);
        }
        Poll::Ready(seen)
    }
}

impl<S: AsyncWrite + Unpin, W: Unpin> AsyncWrite for Watched<S, W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn too_many() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "more interim answers than one request may get",
    )
}

/// Watches the status lines of an HTTP/1.1 connection.
#[derive(Debug)]
pub(super) struct StatusLines {
    /// Requests sent on this connection so far, counted by whoever sends them.
    exchanges: Arc<AtomicU32>,
    /// The request that the counts below are of.
    current: u32,
    interim: u32,
    at: At,
}

#[derive(Debug, Clone, Copy)]
enum At {
    /// `HTTP/1.1 100`: as much of it as has come.
    StatusLine { bytes: [u8; 12], len: usize },
    /// In an interim answer's head, which an empty line ends.
    Interim { line_is_empty: bool },
    /// The answer proper: nothing more to look at until the next request.
    Final,
}

impl At {
    const START: Self = Self::StatusLine {
        bytes: [0; 12],
        len: 0,
    };
}

impl StatusLines {
    pub(super) fn new(exchanges: Arc<AtomicU32>) -> Self {
        Self {
            exchanges,
            current: 0,
            interim: 0,
            at: At::START,
        }
    }

    fn step(&mut self, byte: u8) -> io::Result<()> {
        match &mut self.at {
            // Parsers pass over empty lines before a status line.
            At::StatusLine { len: 0, .. } if matches!(byte, b'\r' | b'\n') => {}
            At::StatusLine { bytes, len } => {
                if let Some(place) = bytes.get_mut(*len) {
                    *place = byte;
                    *len += 1;
                }
                if *len < bytes.len() {
                    return Ok(());
                }
                // 101 ends the exchange; what follows is no HTTP any more.
                let [.., b'1', tens, ones] = bytes else {
                    self.at = At::Final;
                    return Ok(());
                };
                if (*tens, *ones) == (b'0', b'1') {
                    self.at = At::Final;
                    return Ok(());
                }
                self.at = At::Interim {
                    line_is_empty: false,
                };
                self.interim += 1;
                if self.interim > INTERIM_RESPONSES_MAX {
                    return Err(too_many());
                }
            }
            At::Interim { line_is_empty } => match byte {
                b'\n' if *line_is_empty => self.at = At::START,
                b'\n' => *line_is_empty = true,
                b'\r' => {}
                _ => *line_is_empty = false,
            },
            At::Final => {}
        }
        Ok(())
    }
}

impl Watch for StatusLines {
    fn see(&mut self, bytes: &[u8]) -> io::Result<()> {
        let current = self.exchanges.load(Ordering::Relaxed);
        if current != self.current {
            self.current = current;
            self.interim = 0;
            self.at = At::START;
        }
        for byte in bytes {
            if let At::Final = self.at {
                break;
            }
            self.step(*byte)?;
        }
        Ok(())
    }
}

/// Octets of a frame's header (RFC 9113, section 4.1).
const FRAME_HEADER_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;

/// Streams whose answers are being counted. Those that we cancelled ourselves leave a count behind;
/// past this many all are forgotten, which only gives a peer more room.
const COUNTED_STREAMS_MAX: usize = 4096;

/// Watches the frames of an HTTP/2 connection.
#[derive(Debug)]
pub(super) struct Frames {
    header: [u8; FRAME_HEADER_BYTES],
    filled: usize,
    /// What is left of the present frame's payload.
    payload_left: usize,
    /// Told when the peer's first frame has come; `None` afterwards.
    greeting: Option<Arc<Greeting>>,
    /// The present frame is the first, and is SETTINGS.
    greets: bool,
    /// Header blocks that did not end their stream: interim answers, and the head of the answer.
    blocks: HashMap<u32, u32>,
}

/// The first word of an HTTP/2 peer.
#[derive(Debug, Default)]
pub(super) struct Greeting {
    heard: Notify,
    failed: Mutex<Option<io::Error>>,
}

impl Greeting {
    /// Waits for the peer's SETTINGS, which must be its first frame.
    pub(super) async fn heard(&self) {
        self.heard.notified().await;
    }

    /// What the peer's connection failed with instead.
    pub(super) fn failure(&self) -> Option<io::Error> {
        self.failed.lock().take()
    }
}

impl Frames {
    pub(super) fn new(greeting: Arc<Greeting>) -> Self {
        Self {
            header: [0; FRAME_HEADER_BYTES],
            filled: 0,
            payload_left: 0,
            greeting: Some(greeting),
            greets: false,
            blocks: HashMap::new(),
        }
    }

    fn frame(&mut self) -> io::Result<()> {
        let [high, middle, low, kind, flags, stream @ ..] = self.header;
        self.payload_left =
            (usize::from(high) << 16) | (usize::from(middle) << 8) | usize::from(low);
        let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
        if self.greeting.is_some() {
            if kind != SETTINGS || stream != 0 {
                let text = "the endpoint does not begin with SETTINGS: it speaks no HTTP/2";
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            self.greets = true;
        }
        match kind {
            HEADERS | DATA if flags & END_STREAM != 0 => drop(self.blocks.remove(&stream)),
            RST_STREAM => drop(self.blocks.remove(&stream)),
            HEADERS => return self.block(stream),
            _ => {}
        }
        Ok(())
    }

    /// SETTINGS count as heard when they are there with all that they say.
    fn hear(&mut self) {
        if self.greets && self.payload_left == 0 {
            self.greets = false;
            if let Some(greeting) = self.greeting.take() {
                greeting.heard.notify_one();
            }
        }
    }

    fn block(&mut self, stream: u32) -> io::Result<()> {
        if self.blocks.len() >= COUNTED_STREAMS_MAX {
            self.blocks.clear();
        }
        let blocks = self.blocks.entry(stream).or_default();
        *blocks += 1;
        // One more is the head of the answer itself.
        if *blocks > INTERIM_RESPONSES_MAX + 1 {
            return Err(too_many());
        }
        Ok(())
    }
}

impl Watch for Frames {
    fn see(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let skipped = self.payload_left.min(bytes.len());
            self.payload_left -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            self.hear();
            let Some((first, rest)) = bytes.split_first() else {
                break;
            };
            if let Some(place) = self.header.get_mut(self.filled) {
                *place = *first;
                self.filled += 1;
            }
            bytes = rest;
            if self.filled == FRAME_HEADER_BYTES {
                self.filled = 0;
                self.frame()?;
                self.hear();
            }
        }
        Ok(())
    }

    fn failed(&mut self, error: &io::Error) {
        if let Some(greeting) = self.greeting.take() {
            *greeting.failed.lock() = Some(io::Error::new(error.kind(), error.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n";
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

    /// Feeds an HTTP/1.1 connection's bytes in pieces of `size`.
    #[track_caller]
    fn status_lines(stream: &[u8], size: usize) -> io::Result<()> {
        let mut watch = StatusLines::new(Arc::new(AtomicU32::new(1)));
        stream.chunks(size).try_for_each(|piece| watch.see(piece))
    }

    #[test]
    fn thirty_two_interim_answers_are_borne_however_they_are_cut() {
        let stream = [INTERIM.repeat(32), ANSWER.to_vec()].concat();
        for size in [1, 7, 31, 32, 33, 4096] {
            status_lines(&stream, size).expect("32 are allowed");
        }
    }

    #[test]
    fn the_thirty_third_ends_the_connection() {
        let stream = [INTERIM.repeat(33), ANSWER.to_vec()].concat();
        for size in [1, 7, 4096] {
            let error = status_lines(&stream, size).expect_err("one too many");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn interim_answers_of_bare_line_feeds_are_counted_too() {
        let stream = b"\r\nHTTP/1.0 102\nx: y\n\n".repeat(33);
        status_lines(&stream, 5).expect_err("one too many");
    }

    #[test]
    fn a_body_that_looks_like_interim_answers_is_a_body() {
        let stream = [ANSWER.to_vec(), INTERIM.repeat(100)].concat();
        status_lines(&stream, 64).expect("a body is not looked at");
    }

    #[test]
    fn what_follows_an_upgrade_is_not_looked_at() {
        let stream = [
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec(),
            INTERIM.repeat(100),
        ]
        .concat();
        status_lines(&stream, 64).expect("no HTTP any more");
    }

    #[test]
    fn each_request_is_counted_for_itself() {
        let exchanges = Arc::new(AtomicU32::new(0));
        let mut watch = StatusLines::new(Arc::clone(&exchanges));
        for _ in 0..10 {
            exchanges.fetch_add(1, Ordering::Relaxed);
            watch.see(&INTERIM.repeat(30)).expect("few each");
            watch.see(ANSWER).expect("an answer");
        }
    }

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let len = u8::try_from(payload.len()).expect("a small payload");
        let mut bytes = vec![0, 0, len, kind, flags];
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    #[track_caller]
    fn frames(stream: &[u8], size: usize) -> io::Result<()> {
        let mut watch = Frames::new(Arc::default());
        stream.chunks(size).try_for_each(|piece| watch.see(piece))
    }

    #[test]
    fn header_blocks_are_counted_by_stream() {
        let settings = frame(SETTINGS, 0, 0, &[0; 6]);
        let many_streams: Vec<u8> = (0..100)
            .flat_map(|turn| frame(HEADERS, 4, turn * 2 + 1, b"block"))
            .collect();
        let stream = [settings.clone(), many_streams].concat();
        for size in [1, 10, 4096] {
            frames(&stream, size).expect("one block a stream");
        }
        let storm = frame(HEADERS, 4, 1, b"block");
        frames(&[settings.clone(), storm.repeat(33)].concat(), 7).expect("32 and the answer");
        frames(&[settings, storm.repeat(34)].concat(), 7).expect_err("one too many");
    }

    #[test]
    fn a_stream_that_has_ended_is_forgotten() {
        let settings = frame(SETTINGS, 0, 0, &[]);
        let answer = [
            frame(HEADERS, 4, 1, b"block"),
            frame(DATA, END_STREAM, 1, b"body"),
        ]
        .concat();
        frames(&[settings, answer.repeat(100)].concat(), 64).expect("ended each time");
    }

    #[tokio::test]
    async fn settings_are_the_greeting_and_anything_else_is_no_http2() {
        let greeting = Arc::new(Greeting::default());
        let mut watch = Frames::new(Arc::clone(&greeting));
        watch.see(&frame(SETTINGS, 0, 0, &[])).expect("a greeting");
        greeting.heard().await;
        frames(b"HTTP/1.1 400 Bad Request\r\n\r\n", 64).expect_err("no HTTP/2");
    }
}
