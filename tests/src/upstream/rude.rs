//! A server that does with its connections what a test tells it to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::HeldPort;
use crate::upstream::Fake;

/// Accepts until it is dropped.
#[derive(Debug)]
pub struct Rude {
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Rude {
    /// Runs `serve` on each connection; the connection closes when it returns.
    ///
    /// # Panics
    /// When the machine has no port left.
    pub async fn start<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(connection));
            }
        });
        Self {
            addr,
            connections,
            task: task.abort_handle(),
        }
    }

    /// Takes requests and never answers.
    pub async fn hanging() -> Self {
        Self::start(async |mut connection: TcpStream| {
            read_head(&mut connection).await;
            std::future::pending::<()>().await;
        })
        .await
    }

    /// Takes a request and breaks the connection with a reset.
    pub async fn resetting() -> Self {
        Self::start(async |mut connection: TcpStream| {
            read_head(&mut connection).await;
            // With zero linger time closing sends a reset.
            let _ = connection.set_zero_linger();
        })
        .await
    }

    /// Takes a request, writes these bytes and closes.
    pub async fn saying(bytes: &'static [u8]) -> Self {
        Self::start(async move |mut connection: TcpStream| {
            read_head(&mut connection).await;
            // The peer may have had enough before the end.
            let _ = connection.write_all(bytes).await;
            let _ = connection.shutdown().await;
        })
        .await
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// How many connections have come.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Rude {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An address at which nobody listens, and nobody else will as long as this is held.
#[derive(Debug)]
pub struct Refused(HeldPort);

impl Refused {
    /// # Panics
    /// When the machine has no port left.
    #[expect(clippy::new_without_default, reason = "takes a port of the machine")]
    pub fn new() -> Self {
        Self(HeldPort::new())
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.0.addr())
    }

    /// Serves `routes` from now on.
    ///
    /// # Panics
    /// When the socket cannot listen.
    pub fn come_back(self, routes: Router) -> Fake {
        Fake::serve(self.0.listen(), routes)
    }
}

/// Reads up to the end of a request's head; returns what came.
pub async fn read_head(connection: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        match connection.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
