//! A connection on which a test writes and reads bytes, and answers as they came over it.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::deadline::{PATIENCE, within};
use crate::wire;

/// What a raw connection runs over: TCP, or TLS over it.
trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// A connection on which a test writes and reads bytes.
pub struct Raw {
    stream: Box<dyn Duplex>,
    /// Read, and not yet asked for.
    unread: Vec<u8>,
}

/// One answer, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Status line and fields.
    pub head: String,
    pub body: Vec<u8>,
    /// Whether it came to the end that its framing announced.
    pub complete: bool,
}

impl Raw {
    /// # Panics
    /// When nobody listens.
    pub async fn connect(addr: SocketAddr) -> Self {
        let stream = within("a connection", PATIENCE, TcpStream::connect(addr)).await;
        Self::over(stream.unwrap())
    }

    pub(crate) fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            unread: Vec::new(),
        }
    }

    /// Sends bytes; a peer that has closed its side already is no failure.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// Says that nothing more will be sent.
    pub async fn finish(&mut self) {
        // A peer that has gone already needs not be told.
        let _ = self.stream.shutdown().await;
    }

    /// Reads until the peer closes.
    ///
    /// # Panics
    /// When it does not close in time.
    pub async fn read_to_end(&mut self) -> String {
        within("the peer to close", PATIENCE, async {
            while self.more().await {}
        })
        .await;
        String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned()
    }

    /// Reads until the head of an answer is complete, and returns its first line.
    ///
    /// # Panics
    /// When no head comes in time.
    pub async fn status_line(&mut self) -> String {
        within("the head of an answer", PATIENCE, async {
            while wire::head_length(&self.unread).is_none() && self.more().await {}
        })
        .await;
        let text = String::from_utf8_lossy(&self.unread).into_owned();
        text.lines().next().unwrap_or_default().to_owned()
    }

    /// Reads answers until the peer closes, and tells whether it has, or was silent for `silence`. After
    /// `count` of them (interim ones included) it is told that nothing more will be asked.
    ///
    /// # Panics
    /// When what it says is no HTTP/1.
    pub async fn answers(&mut self, count: usize, silence: Duration) -> (Vec<Answer>, bool) {
        let mut answers = Vec::new();
        loop {
            match timeout(silence, self.answer()).await {
                Ok(Some(answer)) => answers.push(answer),
                Ok(None) => return (answers, true),
                Err(_) => return (answers, false),
            }
            if answers.len() == count {
                self.finish().await;
            }
        }
    }

    /// The next answer; `None` when the peer has closed instead.
    ///
    /// # Panics
    /// When what it says is no HTTP/1.
    pub async fn answer(&mut self) -> Option<Answer> {
        loop {
            if let Some((answer, length)) = Answer::parse(&self.unread, false) {
                self.unread.drain(..length);
                return Some(answer);
            }
            if !self.more().await {
                let rest = std::mem::take(&mut self.unread);
                return Answer::parse(&rest, true).map(|(answer, _)| answer);
            }
        }
    }

    /// Reads exactly this many bytes, or fewer when the peer closes.
    pub async fn take(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count && self.more().await {}
        let count = count.min(self.unread.len());
        self.unread.drain(..count).collect()
    }

    /// Reads once; false at the peer's end. A reset ends the reading as well as an orderly close: what
    /// came is what counts.
    async fn more(&mut self) -> bool {
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.unread.extend_from_slice(&chunk[..count]);
                true
            }
        }
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raw").finish_non_exhaustive()
    }
}

impl Answer {
    /// The first answer in `bytes` and its length; `None` when it is not all there, unless the peer has
    /// `closed`.
    fn parse(bytes: &[u8], closed: bool) -> Option<(Self, usize)> {
        let length = wire::head_length(bytes)?;
        let head = String::from_utf8_lossy(&bytes[..length]).into_owned();
        let status: u16 = head
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| head.strip_prefix("HTTP/1.0 "))
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .unwrap_or_else(|| panic!("no answer of HTTP/1: {head:?}"));
        let fields = wire::fields(&head);
        let rest = &bytes[length..];
        let (body, used, complete) = match wire::framing(&fields) {
            _ if status < 200 || status == 204 || status == 304 => (Vec::new(), 0, true),
            Ok(wire::Framing::Length(announced)) if rest.len() >= announced => {
                (rest[..announced].to_vec(), announced, true)
            }
            Ok(wire::Framing::Chunked) if let Some(chunked) = wire::dechunk(rest).unwrap() => {
                (chunked.data, chunked.length, true)
            }
            Ok(wire::Framing::None) if closed => (rest.to_vec(), rest.len(), true),
            _ if closed => (rest.to_vec(), rest.len(), false),
            _ => return None,
        };
        let answer = Self {
            status,
            head,
            body,
            complete,
        };
        Some((answer, length + used))
    }

    /// A field's value; empty when absent.
    pub fn header(&self, name: &str) -> String {
        let fields = wire::fields(&self.head);
        let found = fields.into_iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value).unwrap_or_default()
    }
}
