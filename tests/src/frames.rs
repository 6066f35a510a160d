//! An HTTP/2 connection on which a test writes its frames by hand, wrong ones too.

use std::time::Duration;

use tokio::time::timeout;

use crate::raw::Raw;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long the peer may be silent.
const SILENCE: Duration = Duration::from_secs(10);

const FRAME_HEAD_BYTES: usize = 9;

/// Types of frames (RFC 9113, section 6).
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags of frames.
pub mod flag {
    pub const ACK: u8 = 1;
    pub const END_STREAM: u8 = 1;
    pub const END_HEADERS: u8 = 4;
    pub const PADDED: u8 = 8;
    pub const PRIORITY: u8 = 0x20;
}

/// An error code of RFC 9113, section 7.
pub const PROTOCOL_ERROR: u32 = 1;

/// A name and a value, any bytes.
pub type Field<'f> = (&'f [u8], &'f [u8]);

/// The client's side of a connection.
#[derive(Debug)]
pub struct Frames(Raw);

/// What became of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// An answer, to its end.
    Answer(u16),
    /// The stream was reset, with this error code.
    Reset(u32),
    /// The connection was given up, with this error code.
    GoAway(u32),
    /// The connection was closed without a word.
    Closed,
    /// Nothing came for ten seconds.
    Silent,
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frames {
    /// Begins HTTP/2.
    pub async fn over(mut raw: Raw) -> Self {
        raw.send(PREFACE).await;
        let mut frames = Self(raw);
        frames.frame(kind::SETTINGS, 0, 0, &[]).await;
        frames
    }

    /// Writes one frame.
    ///
    /// # Panics
    /// When the payload is longer than a frame's.
    pub async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.bytes(&frame(kind, flags, stream, payload)).await;
    }

    /// Writes bytes: any number of frames, or what is none.
    pub async fn bytes(&mut self, bytes: &[u8]) {
        self.0.send(bytes).await;
    }

    /// Writes a block of fields; the stream ends with it if `last`.
    pub async fn headers(&mut self, stream: u32, fields: &[Field<'_>], last: bool) {
        let end = if last { flag::END_STREAM } else { 0 };
        let flags = flag::END_HEADERS | end;
        self.frame(kind::HEADERS, flags, stream, &block(fields))
            .await;
    }

    /// Writes data; the stream ends with it if `last`.
    pub async fn data(&mut self, stream: u32, bytes: &[u8], last: bool) {
        let flags = if last { flag::END_STREAM } else { 0 };
        self.frame(kind::DATA, flags, stream, bytes).await;
    }

    /// Reads on until the stream has its outcome.
    pub async fn outcome(&mut self, stream: u32) -> Outcome {
        let mut status = None;
        loop {
            let frame = match self.heed().await {
                Ok(frame) => frame,
                Err(end) => return end,
            };
            let code = |at: usize| {
                let bytes = frame.payload.get(at..at + 4).unwrap_or(&[0; 4]);
                u32::from_be_bytes(bytes.try_into().unwrap())
            };
            match frame.kind {
                // Without an error it announces an end and no more.
                kind::GOAWAY if code(4) != 0 => return Outcome::GoAway(code(4)),
                _ if frame.stream != stream => {}
                kind::RST_STREAM => match status {
                    Some(status) if code(0) == 0 => return Outcome::Answer(status),
                    _ => return Outcome::Reset(code(0)),
                },
                kind::HEADERS if status.is_none() => status = Some(status_of(&frame.payload)),
                _ => {}
            }
            let ends = matches!(frame.kind, kind::HEADERS | kind::DATA)
                && frame.flags & flag::END_STREAM != 0;
            if let (true, true, Some(status)) = (ends, frame.stream == stream, status) {
                return Outcome::Answer(status);
            }
        }
    }

    /// Bytes of the stream's next DATA frame; `None` when there is none within `limit`.
    pub async fn next_data(&mut self, stream: u32, limit: Duration) -> Option<usize> {
        let next = async {
            loop {
                let frame = self.heed().await.ok()?;
                if frame.kind == kind::DATA && frame.stream == stream {
                    return Some(frame.payload.len());
                }
            }
        };
        timeout(limit, next).await.ok().flatten()
    }

    /// Whether the peer closes the connection.
    pub async fn closes(&mut self) -> bool {
        loop {
            match self.heed().await {
                Ok(_) => {}
                Err(end) => return end == Outcome::Closed,
            }
        }
    }

    /// The next frame, answered if it wants to be.
    async fn heed(&mut self) -> Result<Frame, Outcome> {
        let next = timeout(SILENCE, self.next()).await;
        let frame = next.map_err(|_| Outcome::Silent)?;
        let frame = frame.ok_or(Outcome::Closed)?;
        if matches!(frame.kind, kind::SETTINGS | kind::PING) && frame.flags & flag::ACK == 0 {
            let payload = match frame.kind {
                kind::PING => &frame.payload[..],
                _ => &[],
            };
            self.frame(frame.kind, flag::ACK, 0, payload).await;
        }
        Ok(frame)
    }

    /// The next frame; `None` when the peer has closed.
    async fn next(&mut self) -> Option<Frame> {
        let head = self.0.take(FRAME_HEAD_BYTES).await;
        let &[a, b, c, kind, flags, s0, s1, s2, s3] = &head[..] else {
            return None;
        };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let payload = self.0.take(length).await;
        Some(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
            payload,
        })
    }
}

/// One frame.
///
/// # Panics
/// When the payload is longer than a frame's.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// Fields as literals without indexing and without Huffman coding (RFC 7541, section 6.2.2).
///
/// # Panics
/// When a text is too long for this.
pub fn block(fields: &[Field<'_>]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            match u8::try_from(text.len()).unwrap() {
                length @ 0..127 => block.push(length),
                // An integer that does not fit its prefix of seven bits goes on in the next octet.
                length => block.extend([127, length - 127]),
            }
            block.extend_from_slice(text);
        }
    }
    block
}

/// The status in a block of an answer. It comes first (RFC 9113, section 8.3), and is the only field
/// that is read.
fn status_of(block: &[u8]) -> u16 {
    const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    match block {
        [index @ 0x88..=0x8e, ..] => INDEXED[usize::from(index - 0x88)],
        [0x08 | 0x18 | 0x48, 0x03, digits @ ..] => digits
            .iter()
            .take(3)
            .fold(0, |status, digit| status * 10 + u16::from(digit - b'0')),
        [0x08 | 0x18 | 0x48, length, coded @ ..] if length & 0x80 != 0 => huffman_digits(coded),
        _ => panic!("no status in {block:?}"),
    }
}

/// Three digits in the code of RFC 7541, appendix B: 0 to 2 have five bits, the others six.
fn huffman_digits(coded: &[u8]) -> u16 {
    let bits = |at: usize, count: usize| {
        (at..at + count).fold(0_u16, |word, bit| {
            let byte = coded.get(bit / 8).copied().unwrap_or(0xff);
            word << 1 | u16::from(byte >> (7 - bit % 8) & 1)
        })
    };
    let (mut status, mut at) = (0, 0);
    for _ in 0..3 {
        let (digit, count) = match bits(at, 5) {
            digit @ 0..=2 => (digit, 5),
            _ => (bits(at, 6).saturating_sub(0b01_1001) + 3, 6),
        };
        status = status * 10 + digit;
        at += count;
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_in_each_of_its_codings() {
        assert_eq!(status_of(&[0x88]), 200);
        assert_eq!(status_of(&[0x48, 0x03, b'4', b'3', b'1']), 431);
        // From RFC 7541, appendix C.6.1 and C.6.2.
        assert_eq!(status_of(&[0x48, 0x82, 0x64, 0x02]), 302);
        assert_eq!(status_of(&[0x48, 0x83, 0x64, 0x0e, 0xff]), 307);
    }
}
