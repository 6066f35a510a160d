//! A server that fails in one way, whatever it speaks.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tests::upstream::{Frames, Refused, Rude, read_head};
use tests::{Authority, PATIENCE};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// What is announced of a body that does not come to its end.
const ANNOUNCED_BYTES: usize = 100_000;

/// The body of an answer that comes whole.
pub(super) const BODY: &str = "abcdefghij";

/// More interim answers than any gateway should bear.
const STORM: usize = 1000;

/// Long enough for what was sent to be seen before the connection breaks.
const SEEN: Duration = Duration::from_millis(200);

/// The version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tongue {
    Http1,
    Http2,
}

/// A row of the matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Upstream {
    pub(super) name: &'static str,
    tongue: Tongue,
    tls: bool,
}

/// How it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nobody is there.
    Refused,
    /// It takes the request and says nothing.
    Hung,
    /// The connection is reset before the head.
    ResetBeforeHead,
    /// The head breaks off.
    CutHead,
    /// The connection is reset in the midst of the body.
    ResetInBody,
    /// The connection closes in the midst of the body.
    Truncated,
    /// What comes is no HTTP.
    Garbage,
    /// Interim answers without end.
    InterimStorm,
    /// The answer comes before the request's body, which is never read.
    Early,
    /// The answer comes in small pieces with pauses.
    Slow,
}

impl Fault {
    pub(super) const ALL: [Self; 10] = [
        Self::Refused,
        Self::Hung,
        Self::ResetBeforeHead,
        Self::CutHead,
        Self::ResetInBody,
        Self::Truncated,
        Self::Garbage,
        Self::InterimStorm,
        Self::Early,
        Self::Slow,
    ];

    fn resets(self) -> bool {
        matches!(self, Self::ResetBeforeHead | Self::ResetInBody)
    }
}

/// A running server, or the lack of one.
#[derive(Debug)]
pub(super) enum Server {
    Up(Rude),
    Down(Refused),
}

impl Upstream {
    pub(super) const fn new(name: &'static str, tongue: Tongue, tls: bool) -> Self {
        Self { name, tongue, tls }
    }

    pub(super) async fn start(self, fault: Fault, authority: &Authority) -> Server {
        if fault == Fault::Refused {
            return Server::Down(Refused::new());
        }
        let acceptor = self.tls.then(|| self.acceptor(authority));
        let server = Rude::start(move |stream| serve(stream, acceptor.clone(), self.tongue, fault));
        Server::Up(server.await)
    }

    fn acceptor(self, authority: &Authority) -> TlsAcceptor {
        let protocol = match self.tongue {
            Tongue::Http1 => "http/1.1",
            Tongue::Http2 => "h2",
        };
        let config: ServerConfig = authority.server_config(&[protocol]);
        TlsAcceptor::from(Arc::new(config))
    }

    /// Its row in the route table; `ca` is the file of the authority.
    pub(super) fn row(self, name: &str, server: &Server, ca: &str) -> String {
        let url = match server {
            Server::Up(rude) => rude.url(),
            Server::Down(refused) => refused.url(),
        };
        let (url, tls) = match self.tls {
            true => (
                url.replace("http://", "https://"),
                format!(", tls: {{ ca: '{ca}' }}"),
            ),
            false => (url, String::new()),
        };
        let protocol = match self.tongue {
            Tongue::Http1 => "http1",
            Tongue::Http2 => "http2",
        };
        // Few permits: were they not given back, the third request would find none. Short idleness: what
        // is left open afterwards is not there for the next request.
        format!(
            "  {name}: {{ endpoints: [\"{url}\"], protocol: {protocol}{tls}, \
             circuit: {{ requests: 2, connections: 2 }}, timeouts: {{ idle: 1s }} }}\n"
        )
    }
}

async fn serve(stream: TcpStream, acceptor: Option<TlsAcceptor>, tongue: Tongue, fault: Fault) {
    if fault.resets() {
        // With zero linger time closing sends a reset.
        let _ = stream.set_zero_linger();
    }
    match acceptor {
        None => speak(stream, tongue, fault).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                speak(stream, tongue, fault).await;
            }
        }
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin>(stream: S, tongue: Tongue, fault: Fault) {
    match tongue {
        Tongue::Http1 => http1(stream, fault).await,
        Tongue::Http2 => {
            let Some(mut frames) = Frames::accept(stream).await else {
                return;
            };
            while let Some(id) = frames.request().await {
                if !http2(&mut frames, id, fault).await {
                    break;
                }
            }
        }
    }
}

/// One request, and the connection's end.
async fn http1<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, fault: Fault) {
    if read_head(&mut stream).await.is_empty() {
        return;
    }
    let head = |status: &str, length: usize| {
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n")
    };
    let broken = head("200 OK", ANNOUNCED_BYTES) + BODY;
    let said = match fault {
        Fault::Refused | Fault::ResetBeforeHead | Fault::Hung | Fault::Slow => String::new(),
        Fault::CutHead => "HTTP/1.1 200 OK\r\ncontent-le".to_owned(),
        Fault::ResetInBody | Fault::Truncated => broken,
        Fault::Garbage => "\0\u{1}\u{2}nonsense\r\n\r\n".to_owned(),
        Fault::InterimStorm => "HTTP/1.1 100 Continue\r\n\r\n".repeat(STORM) + &head("200 OK", 0),
        Fault::Early => head("403 Forbidden", BODY.len()) + BODY,
    };
    // The gateway may have had enough before the end.
    let _ = stream.write_all(said.as_bytes()).await;
    let _ = stream.flush().await;
    match fault {
        Fault::Hung | Fault::Early => tokio::time::sleep(PATIENCE).await,
        Fault::Slow => {
            for piece in [
                head("200 OK", BODY.len()).as_bytes(),
                b"abc",
                b"defg",
                b"hij",
            ] {
                tokio::time::sleep(SEEN).await;
                let _ = stream.write_all(piece).await;
                let _ = stream.flush().await;
            }
        }
        _ => tokio::time::sleep(SEEN).await,
    }
}

/// One request; false when the connection ends with it.
async fn http2<S: AsyncRead + AsyncWrite + Unpin>(
    frames: &mut Frames<S>,
    id: u32,
    fault: Fault,
) -> bool {
    match fault {
        Fault::Refused | Fault::ResetBeforeHead => return false,
        Fault::Hung => return true,
        // A frame of headers that is shorter than it says.
        Fault::CutHead => frames.garbage(&[0, 0, 50, 1, 4, 0, 0, 0, 1, 0x88]).await,
        Fault::ResetInBody | Fault::Truncated => {
            frames.head(id, "200", ANNOUNCED_BYTES).await;
            frames.data(id, BODY.as_bytes(), false).await;
        }
        // A frame longer than any may be.
        Fault::Garbage => frames.garbage(&[0xff; 64]).await,
        Fault::InterimStorm => {
            for _ in 0..STORM {
                frames.interim(id).await;
            }
            frames.answer(id).await;
            return true;
        }
        Fault::Early => {
            frames.head(id, "403", BODY.len()).await;
            frames.data(id, BODY.as_bytes(), true).await;
            return true;
        }
        Fault::Slow => {
            tokio::time::sleep(SEEN).await;
            frames.head(id, "200", BODY.len()).await;
            for (piece, last) in [("abc", false), ("defg", false), ("hij", true)] {
                tokio::time::sleep(SEEN).await;
                frames.data(id, piece.as_bytes(), last).await;
            }
            return true;
        }
    }
    tokio::time::sleep(SEEN).await;
    false
}
