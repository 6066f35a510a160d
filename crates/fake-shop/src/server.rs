//! One server whose every answer is told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What a path is answered with.
#[derive(Debug, Clone)]
pub enum Answer {
    Json(Value),
    /// `application/problem+json`, where it is an error.
    Status(u16, Value),
    /// Nothing, ever.
    Hang,
    /// Headers and the beginning of a body, then nothing.
    StallMidBody,
    /// A body of this many bytes.
    Large(usize),
}

/// One request, as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A server; it stops when it is dropped.
#[derive(Debug)]
pub struct Fake {
    /// Where it listens.
    pub addr: SocketAddr,
    memory: Arc<Memory>,
    serving: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Memory {
    answers: Mutex<HashMap<String, Answer>>,
    seen: Mutex<Vec<Seen>>,
}

impl Fake {
    /// Starts a server that answers every path with 404 until it is told better.
    pub async fn start() -> Self {
        let memory = Arc::new(Memory::default());
        let routes = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&memory));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self {
            addr,
            memory,
            serving,
        }
    }

    /// Its address as a URL, followed by `path`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// From now on, `path` is answered with this.
    pub fn answers(&self, path: &str, answer: Answer) {
        self.memory.answers.lock().insert(path.to_owned(), answer);
    }

    /// What it was asked, the first request first.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.memory.seen.lock().clone()
    }

    /// What it was asked at one path.
    #[must_use]
    pub fn seen_at(&self, path: &str) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(|request| request.path == path);
        seen
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(memory): State<Arc<Memory>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let body = axum::body::to_bytes(body, 1 << 20)
        .await
        .unwrap_or_default();
    memory.seen.lock().push(Seen {
        method: parts.method,
        path: path.clone(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
    });
    let answer = memory.answers.lock().get(&path).cloned();
    match answer {
        Some(Answer::Json(value)) => axum::Json(value).into_response(),
        Some(Answer::Status(status, value)) => error(status, &value),
        Some(Answer::Hang) => std::future::pending().await,
        Some(Answer::StallMidBody) => stalled(),
        Some(Answer::Large(bytes)) => axum::Json("x".repeat(bytes)).into_response(),
        None => error(
            404,
            &serde_json::json!({ "detail": "nothing of this name" }),
        ),
    }
}

fn error(status: u16, value: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, kind, value.to_string()).into_response()
}

fn stalled() -> Response {
    let beginning =
        stream::once(async { Ok::<_, std::io::Error>(Bytes::from_static(b"{\"items\":[")) });
    let body = Body::from_stream(beginning.chain(stream::pending()));
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
