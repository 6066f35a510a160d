//! A switch for tests: the monolith hangs, is slow or fails where and as long as one says.
//!
//! `POST /_fault {"mode":"hang","path_prefix":"/api/"}`, and `{"mode":"none"}` to end it. There is one
//! fault at a time. It exists only with `--faults`.
//!
//! | mode | what happens to a request whose path begins with `path_prefix` (default: any) |
//! |---|---|
//! | `hang` | it waits until another fault is set, then goes on |
//! | `slow` | it goes on after `delay_ms` |
//! | `error` | it is answered with 500 |
//! | `none` | nothing |

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use problem::Problem;
use problem::extract::Json;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// The longest delay.
const DELAY_MS_MAX: u64 = 60_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    mode: Mode,
    #[serde(default = "everywhere")]
    path_prefix: String,
    #[serde(default)]
    delay_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    None,
    Hang,
    Slow,
    Error,
}

fn everywhere() -> String {
    "/".to_owned()
}

/// Puts the switch before `routes`.
pub(crate) fn switchable(routes: Router) -> Router {
    let (switch, _) = watch::channel(Fault {
        mode: Mode::None,
        path_prefix: everywhere(),
        delay_ms: 0,
    });
    routes
        .layer(middleware::from_fn_with_state(switch.clone(), inject))
        // After the layer: the switch itself never fails.
        .route("/_fault", post(set).with_state(switch))
}

async fn set(
    State(switch): State<watch::Sender<Fault>>,
    Json(fault): Json<Fault>,
) -> problem::Result<Json<Fault>> {
    let has_delay = (1..=DELAY_MS_MAX).contains(&fault.delay_ms);
    if fault.mode == Mode::Slow && !has_delay {
        let detail = format!("`slow` needs a `delay_ms` between 1 and {DELAY_MS_MAX}");
        return Err(Problem::unprocessable(detail));
    }
    if !fault.path_prefix.starts_with('/') {
        let detail = "`path_prefix` must begin with a slash";
        return Err(Problem::unprocessable(detail));
    }
    tracing::warn!(?fault, "a fault was set");
    switch.send_replace(fault.clone());
    Ok(Json(fault))
}

async fn inject(
    State(switch): State<watch::Sender<Fault>>,
    request: Request,
    next: Next,
) -> Response {
    let mut faults = switch.subscribe();
    let fault = faults.borrow_and_update().clone();
    if request.uri().path().starts_with(&fault.path_prefix) {
        match fault.mode {
            Mode::None => {}
            // The switch is held above, so that its end is no end of waiting.
            Mode::Hang => drop(faults.changed().await),
            Mode::Slow => tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await,
            Mode::Error => return Problem::internal().into_response(),
        }
    }
    next.run(request).await
}
