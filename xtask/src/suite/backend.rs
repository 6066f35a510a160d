//! A service for the gateway to stand in front of.

use std::net::Ipv4Addr;

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes, HttpBody as _};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// Bytes that no socket buffer swallows whole.
const LARGE_BYTES: usize = 16 * 1024 * 1024;

/// Answers until it is dropped.
#[derive(Debug)]
pub(super) struct Backend {
    port: u16,
    task: AbortHandle,
}

impl Backend {
    /// `GET /` is short, `GET /large` is not, `POST /` reads everything first.
    ///
    /// # Errors
    /// When this machine has no port left.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("no free port")?;
        let port = listener.local_addr()?.port();
        let large = Bytes::from(vec![b'x'; LARGE_BYTES]);
        let routes = Router::new()
            .route("/", get(async || "ok").post(drain))
            .route("/large", get(async move || large.clone()));
        let task = tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(Self {
            port,
            task: task.abort_handle(),
        })
    }

    /// `http://127.0.0.1:port`.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn drain(body: Body) -> &'static str {
    let mut body = std::pin::pin!(body);
    while let Some(Ok(_)) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {}
    "ok"
}
