//! A service for the gateway to stand in front of.

use std::net::Ipv4Addr;

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes, HttpBody as _};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Bytes that no socket buffer swallows whole.
const LARGE_BYTES: usize = 16 * 1024 * 1024;

/// Answers until it is dropped, on a thread of its own: whoever asks the gateway for its metrics must not
/// wait behind hundreds of answers.
#[derive(Debug)]
pub(super) struct Backend {
    port: u16,
    /// Dropped, it ends the thread.
    _running: oneshot::Sender<()>,
}

impl Backend {
    /// `GET /` is short, `GET /large` is not, `POST /` reads everything first.
    ///
    /// # Errors
    /// When this machine has no port left.
    pub(super) fn start() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.context("no free port")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let large = Bytes::from(vec![b'x'; LARGE_BYTES]);
        let routes = Router::new()
            .route("/", get(async || "ok").post(drain))
            .route("/large", get(async move || large.clone()));
        let (running, ended) = oneshot::channel::<()>();
        let serving = async move {
            let listener = TcpListener::from_std(listener)?;
            tokio::select! {
                served = axum::serve(listener, routes) => served,
                _ = ended => Ok(()),
            }
        };
        std::thread::Builder::new()
            .name("backend".to_owned())
            .spawn(move || runtime.block_on(serving))?;
        Ok(Self {
            port,
            _running: running,
        })
    }

    /// `http://127.0.0.1:port`.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

async fn drain(body: Body) -> &'static str {
    let mut body = std::pin::pin!(body);
    while let Some(Ok(_)) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {}
    "ok"
}
