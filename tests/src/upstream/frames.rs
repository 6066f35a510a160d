//! An HTTP/2 server frame by frame, for what a library would not do.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::frames::block;

const PREFACE_BYTES: usize = 24;
const FRAME_HEADER_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// One connection, after the prefaces.
#[derive(Debug)]
pub struct Frames<S = TcpStream>(S);

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    /// Reads the client's preface and sends empty SETTINGS.
    pub async fn accept(mut stream: S) -> Option<Self> {
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

    /// The head of an answer with a body of so many bytes.
    pub async fn head(&mut self, stream: u32, status: &str, length: usize) {
        let length = length.to_string();
        let fields = [
            (&b":status"[..], status.as_bytes()),
            (b"content-length", length.as_bytes()),
        ];
        self.send(HEADERS, END_HEADERS, stream, &block(&fields))
            .await;
    }

    /// The head of an answer, or its trailers if it is the `last`, in these bytes of HPACK.
    pub async fn block(&mut self, stream: u32, block: &[u8], last: bool) {
        let flags = if last { END_STREAM } else { 0 };
        self.send(HEADERS, END_HEADERS | flags, stream, block).await;
    }

    /// A piece of a body.
    pub async fn data(&mut self, stream: u32, bytes: &[u8], last: bool) {
        let flags = if last { END_STREAM } else { 0 };
        self.send(DATA, flags, stream, bytes).await;
    }

    /// What is no frame.
    pub async fn garbage(&mut self, bytes: &[u8]) {
        // The client may have had enough before the end.
        let _ = self.0.write_all(bytes).await;
        let _ = self.0.flush().await;
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
        let _ = self.0.flush().await;
    }
}
