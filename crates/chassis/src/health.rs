//! `/livez` and `/readyz`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Map, Value};

use crate::service::BoxFuture;

/// How long one readiness check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

type Check = Arc<dyn Fn() -> BoxFuture<Result<(), String>> + Send + Sync>;

/// What decides whether a service wants traffic.
#[derive(Clone, Default)]
pub(crate) struct Readiness {
    checks: Vec<(&'static str, Check)>,
    draining: Arc<AtomicBool>,
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.checks.iter().map(|(label, _)| label))
            .finish()
    }
}

impl Readiness {
    pub(crate) fn add(&mut self, label: &'static str, check: Check) {
        self.checks.push((label, check));
    }

    /// From now on the service is not ready, whatever its checks say.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Alive is who answers; ready is who has all it needs.
    pub(crate) fn routes(self) -> Router {
        Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(move || self.answer()))
    }

    async fn answer(self) -> Response {
        let mut findings = Map::new();
        let mut ready = !self.draining.load(Ordering::Relaxed);
        for (label, check) in &self.checks {
            let outcome = tokio::time::timeout(CHECK_TIMEOUT, check()).await;
            let finding = match outcome {
                Ok(Ok(())) => "ok".to_owned(),
                Ok(Err(reason)) => reason,
                Err(_) => "no answer".to_owned(),
            };
            ready &= finding == "ok";
            findings.insert((*label).to_owned(), finding.into());
        }
        let status = if ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        let body = serde_json::json!({ "ready": ready, "checks": Value::Object(findings) });
        (status, axum::Json(body)).into_response()
    }
}
