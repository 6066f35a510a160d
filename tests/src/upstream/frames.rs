//! An HTTP/2 server frame by frame, for what a library would not do.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PREFACE_BYTES: usize = 24;
const FRAME_HEADER_BYTES: usize = 9;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// One connection, after the prefaces.
#[derive(Debug)]
pub struct Frames(TcpStream);

impl Frames {
    /// Reads the client's preface and sends empty SETTINGS.
    pub async fn accept(mut stream: TcpStream) -> Option<Self> {
        stream.read_exact(&mut [0; PREFACE_BYTES]).await.ok()?;
        let mut frames = Self(stream);
        frames.send(SETTINGS, 0, 0, &[]).await;
        Some(frames)
    }

    /// The stream of the next request; `None` when the client has left.
    pub async fn request(&mut self) -> Option<u32> {
        loop {
            let mut header = [0; FRAME_HEADER_BYTES];
            self.0.read_exact(&mut header).await.ok()?;
            let [high, middle, low, kind, flags, stream @ ..] = header;
            let len = u32::from_be_bytes([0, high, middle, low]);
            let mut payload = vec![0; len as usize];
            self.0.read_exact(&mut payload).await.ok()?;
            match kind {
                SETTINGS if flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]).await,
                HEADERS => return Some(u32::from_be_bytes(stream)),
                _ => {}
            }
        }
    }

    /// `200` without a body.
    pub async fn answer(&mut self, stream: u32) {
        // Index 8 of the static table is `:status: 200`.
        let flags = END_HEADERS | END_STREAM;
        self.send(HEADERS, flags, stream, &[0x88]).await;
    }

    /// `100`.
    pub async fn interim(&mut self, stream: u32) {
        // A literal with the name of index 8.
        let block = [&[0x08, 3][..], b"100"].concat();
        self.send(HEADERS, END_HEADERS, stream, &block).await;
    }

    /// Resets a stream with this code.
    pub async fn reset(&mut self, stream: u32, code: u32) {
        self.send(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    /// Says that streams after `last` have not been looked at.
    pub async fn go_away(&mut self, last: u32) {
        let payload = [last.to_be_bytes(), 0_u32.to_be_bytes()].concat();
        self.send(GOAWAY, 0, 0, &payload).await;
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let [_, high, middle, low] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let header = [&[high, middle, low, kind, flags][..], &stream.to_be_bytes()].concat();
        // The client may have had enough before the end.
        let _ = self.0.write_all(&[&header, payload].concat()).await;
    }
}
