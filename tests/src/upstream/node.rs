//! One of several servers that answer alike, told apart by its name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use axum::extract::Request;
use axum::http::StatusCode;
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::Notify;

use crate::upstream::Fake;

/// Answers `{"name", "cookie"}` with the status it was told, on `/health` with one of its own, and on
/// `/hang` once it is let go.
#[derive(Debug)]
pub struct Node {
    fake: Fake,
    status: Arc<AtomicU16>,
    health: Arc<AtomicU16>,
    hold: Arc<Notify>,
}

impl Node {
    /// # Panics
    /// When the machine has no port left.
    pub async fn start(name: &'static str) -> Self {
        let (status, health) = (Arc::new(AtomicU16::new(200)), Arc::new(AtomicU16::new(200)));
        let hold = Arc::new(Notify::new());
        let routes = Self::routes(name, Arc::clone(&status), Arc::clone(&health), &hold);
        Self {
            fake: Fake::start(routes).await,
            status,
            health,
            hold,
        }
    }

    fn routes(
        name: &'static str,
        status: Arc<AtomicU16>,
        health: Arc<AtomicU16>,
        hold: &Arc<Notify>,
    ) -> Router {
        let hold = Arc::clone(hold);
        Router::new().fallback(move |request: Request| {
            let path = request.uri().path().to_owned();
            let told = if path == "/health" { &health } else { &status };
            let status = StatusCode::from_u16(told.load(Ordering::Relaxed)).unwrap();
            let cookie = request.headers().get("cookie");
            let cookie = cookie.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            let hold = Arc::clone(&hold);
            async move {
                if path == "/hang" {
                    hold.notified().await;
                }
                (status, Json(json!({ "name": name, "cookie": cookie })))
            }
        })
    }

    /// From now on answers with this status.
    pub fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// From now on answers checks with this status.
    pub fn tell_checks(&self, status: u16) {
        self.health.store(status, Ordering::Relaxed);
    }

    /// Lets one request for `/hang` go.
    pub fn let_go(&self) {
        self.hold.notify_one();
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        self.fake.url()
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        self.fake.addr().to_string()
    }

    /// How many requests have come, checks included.
    pub fn requests(&self) -> usize {
        self.fake.requests()
    }
}
