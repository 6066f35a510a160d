//! A server that keeps every byte that it was sent, and reads it more strictly than any server would.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::wire::{self, Framing};

/// What every request is answered.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Records until it is dropped; answers every whole request with 200.
#[derive(Debug)]
pub struct Recording {
    addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: AbortHandle,
}

/// What came over a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A whole request.
    Request(Received),
    /// The beginning of a request, and then the connection's end.
    Unfinished(String),
    /// Bytes that are no HTTP/1.1 by a strict reading, and why.
    Malformed(String),
}

/// One request as it was on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Method, target and version.
    pub line: String,
    /// In the order of their coming, names in lower case.
    pub fields: Vec<(String, String)>,
    /// The body as framed, chunks joined to one: where they were parted means nothing.
    pub body: String,
}

impl Recording {
    /// # Panics
    /// When the machine has no port left.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(record(connection, Arc::clone(&log)));
            }
        });
        Self {
            addr,
            seen,
            task: task.abort_handle(),
        }
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What came since the last time.
    ///
    /// # Panics
    /// When a connection's task has panicked.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn record(mut connection: TcpStream, seen: Arc<Mutex<Vec<Seen>>>) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match Received::parse(&bytes) {
            Ok(Some((request, length))) => {
                bytes.drain(..length);
                seen.lock().unwrap().push(Seen::Request(request));
                // A gateway that has closed already does not want it.
                let _ = connection.write_all(ANSWER).await;
                continue;
            }
            Ok(None) => {}
            Err(why) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                seen.lock()
                    .unwrap()
                    .push(Seen::Malformed(format!("{why} in {text:?}")));
                return;
            }
        }
        match connection.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
    }
    if !bytes.is_empty() {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        seen.lock().unwrap().push(Seen::Unfinished(text));
    }
}

impl Received {
    /// The first request in `bytes` and its length; `None` when it is not all there.
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, String> {
        let Some(length) = wire::head_length(bytes) else {
            return Ok(None);
        };
        wire::check_head(&bytes[..length])?;
        let head = String::from_utf8_lossy(&bytes[..length]).into_owned();
        let fields = wire::fields(&head);
        let rest = &bytes[length..];
        let (body, used) = match wire::framing(&fields)? {
            Framing::None => (String::new(), 0),
            Framing::Length(announced) if rest.len() < announced => return Ok(None),
            Framing::Length(announced) => (
                String::from_utf8_lossy(&rest[..announced]).into_owned(),
                announced,
            ),
            Framing::Chunked => match wire::dechunk(rest)? {
                Some(chunked) => (joined(&chunked), chunked.length),
                None => return Ok(None),
            },
        };
        let received = Self {
            line: head.lines().next().unwrap_or_default().to_owned(),
            fields,
            body,
        };
        Ok(Some((received, length + used)))
    }

    /// The values of a field.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(found, _)| found == name);
        named.map(|(_, value)| value.as_str()).collect()
    }
}

/// A chunked body with all its data in one chunk.
fn joined(chunked: &wire::Chunked) -> String {
    let data = String::from_utf8_lossy(&chunked.data);
    let chunk = match chunked.data.len() {
        0 => String::new(),
        length => format!("{length:x}\r\n{data}\r\n"),
    };
    let trailers = chunked.trailers.iter();
    let trailers: String = trailers
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!("{chunk}0\r\n{trailers}\r\n")
}

/// The request's bytes, fields sorted: their order among each other means nothing.
impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields: Vec<String> = self
            .fields
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        fields.sort();
        write!(f, "{}\r\n{}\r\n{}", self.line, fields.concat(), self.body)
    }
}
