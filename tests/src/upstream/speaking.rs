//! A well-behaved server that speaks one version of HTTP, over TCP, TLS or a Unix socket.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

/// What a server speaks without TLS; over TLS the client chooses by ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoken {
    Http1,
    /// HTTP/2 with so many requests at once on a connection.
    Http2 {
        streams_max: u32,
    },
}

impl Spoken {
    /// HTTP/2 as most servers speak it.
    pub const HTTP2: Self = Self::Http2 { streams_max: 200 };
}

/// Answers until it is dropped.
#[derive(Debug)]
pub struct Speaking {
    port: u16,
    connections: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Speaking {
    /// Serves without TLS on 127.0.0.1.
    ///
    /// # Panics
    /// When the machine has no port left.
    pub async fn plain(spoken: Spoken, routes: Router) -> Self {
        Self::over_tcp(move |stream| serve(stream, spoken, routes.clone())).await
    }

    /// Serves over TLS on 127.0.0.1: what the client has chosen among the configuration's protocols.
    ///
    /// # Panics
    /// When the machine has no port left.
    pub async fn tls(config: ServerConfig, routes: Router) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::over_tcp(move |stream| {
            let (acceptor, routes) = (acceptor.clone(), routes.clone());
            async move {
                // A client whom we do not trust, or who does not trust us, is what some tests are
                // about. It is heard out: a reset could overtake the alert.
                let stream = match acceptor.accept(stream).into_fallible().await {
                    Ok(stream) => stream,
                    Err((_, mut stream)) => {
                        let _ = stream.shutdown().await;
                        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                        return;
                    }
                };
                let spoken = match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => Spoken::HTTP2,
                    _ => Spoken::Http1,
                };
                serve(stream, spoken, routes).await;
            }
        })
        .await
    }

    async fn over_tcp<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream));
            }
        });
        Self {
            port,
            connections,
            task: task.abort_handle(),
        }
    }

    /// Serves on a Unix socket.
    ///
    /// # Panics
    /// When there is no place for the socket.
    pub fn unix(path: &Path, spoken: Spoken, routes: Router) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, spoken, routes.clone()));
            }
        });
        Self {
            port: 0,
            connections,
            task: task.abort_handle(),
        }
    }

    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// `https://name:port`, where the name stands for 127.0.0.1.
    pub fn https(&self, name: &str) -> String {
        format!("https://{name}:{}", self.port)
    }

    /// How many connections have come.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Speaking {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<S>(stream: S, spoken: Spoken, routes: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(routes);
    let stream = TokioIo::new(stream);
    // How a connection ends is the gateway's affair.
    let _ = match spoken {
        Spoken::Http1 => {
            let connection = http1::Builder::new().serve_connection(stream, service);
            connection.await
        }
        Spoken::Http2 { streams_max } => {
            http2::Builder::new(TokioExecutor::new())
                .enable_connect_protocol()
                .max_concurrent_streams(streams_max)
                .serve_connection(stream, service)
                .await
        }
    };
}
