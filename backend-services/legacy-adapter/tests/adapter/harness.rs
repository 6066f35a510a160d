//! An adapter on a free port, before a monolith in the same process or before a peer that misbehaves.

use std::net::SocketAddr;
use std::time::Duration;

use chassis::{Client, Running, Settings};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Adapter {
    pub(crate) client: Client,
    running: Running,
    folder: TempDir,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: Value,
}

impl Adapter {
    pub(crate) async fn before(legacy_url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = legacy_adapter::Options {
            service: Settings::for_tests(folder.path()),
            legacy_url: legacy_url.to_owned(),
        };
        Self {
            client: Client::new().unwrap(),
            running: legacy_adapter::start(options).await.unwrap(),
            folder,
        }
    }

    pub(crate) async fn before_peer(peer: SocketAddr) -> Self {
        Self::before(&format!("http://{peer}")).await
    }

    /// An adapter and the real monolith.
    pub(crate) async fn with_monolith() -> (Self, Running) {
        let folder = tempfile::tempdir().unwrap();
        let options = legacy_shop::Options {
            service: Settings::for_tests(folder.path()),
            faults: true,
        };
        let monolith = legacy_shop::start(options).await.unwrap();
        let mut adapter = Self::before(&monolith.url()).await;
        // The adapter has no files of its own: the folder to keep is the monolith's.
        adapter.folder = folder;
        (adapter, monolith)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running.url())
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        Self::reply(self.client.get(self.url(path))).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Reply {
        Self::reply(self.client.put(self.url(path)).json(body)).await
    }

    pub(crate) async fn reply(request: RequestBuilder) -> Reply {
        let response = request.send().await.unwrap();
        let retry_after = response.headers().get("retry-after");
        Reply {
            status: response.status(),
            retry_after: retry_after.map(|value| value.to_str().unwrap().parse().unwrap()),
            body: response.json().await.unwrap(),
        }
    }

    pub(crate) async fn failures(&self) -> Value {
        self.get("/stats").await.body["failures"].clone()
    }
}

impl Reply {
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status.as_u16(), self.body["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.body
        );
    }
}

/// A peer that reads each request's head and then does as it is told.
pub(crate) async fn peer<F, Fut>(behave: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            read_request(&mut stream).await;
            tokio::spawn(behave(stream));
        }
    });
    address
}

/// A peer that answers every request with these bytes and closes.
pub(crate) async fn answering(response: Vec<u8>) -> SocketAddr {
    peer(move |mut stream| {
        let response = response.clone();
        async move {
            // The adapter may have hung up by now: that is its right.
            let _ = stream.write_all(&response).await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}

/// An answer with this status and body.
pub(crate) fn response(status: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// An envelope around this text.
pub(crate) fn envelope(content: &str) -> String {
    format!(
        "<s:Envelope xmlns:s='{}'><s:Body>{content}</s:Body></s:Envelope>",
        soap::NAMESPACE
    )
}

/// Reads until the call's envelope has ended, so that closing does not reset what was not read.
async fn read_request(stream: &mut TcpStream) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    while !bytes.ends_with(b"</soap:Envelope>") {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}
