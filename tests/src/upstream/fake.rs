//! A well-behaved HTTP server in the test's own process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Bytes;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// Answers until it is dropped.
#[derive(Debug)]
pub struct Fake {
    addr: SocketAddr,
    requests: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Fake {
    /// # Panics
    /// When the machine has no port left.
    pub async fn start(routes: Router) -> Self {
        Self::serve(TcpListener::bind(("127.0.0.1", 0)).await.unwrap(), routes)
    }

    /// A server on a socket that listens already.
    pub(super) fn serve(listener: TcpListener, routes: Router) -> Self {
        let addr = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        let routes = routes.layer(middleware::from_fn(move |request: Request, next: Next| {
            counter.fetch_add(1, Ordering::Relaxed);
            next.run(request)
        }));
        let task = tokio::spawn(async move { axum::serve(listener, routes).await });
        Self {
            addr,
            requests,
            task: task.abort_handle(),
        }
    }

    /// A server that answers every request with what it saw of it: see [`echo`].
    pub async fn echo(name: &'static str) -> Self {
        Self::start(echo(name)).await
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// How many requests have come.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers with `{"name", "method", "path", "query", "headers", "body_bytes"}`, headers as an object.
pub fn echo(name: &'static str) -> Router {
    Router::new().fallback(async move |request: Request| {
        let (head, body) = request.into_parts();
        let body: Bytes = axum::body::to_bytes(body, usize::MAX)
            .await
            .unwrap_or_default();
        let headers: Map<String, Value> = head
            .headers
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into(),
                )
            })
            .collect();
        Json(json!({
            "name": name,
            "method": head.method.as_str(),
            "path": head.uri.path(),
            "query": head.uri.query(),
            "headers": headers,
            "body_bytes": body.len(),
        }))
    })
}
