//! The registry over HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post, put};
use axum::{Extension, Router};
use chassis::Stopping;
use discovery::{Lease, Registration, Renewal, StatusChange};
use problem::extract::{Json, Path, Query};
use problem::{Problem, Result};
use serde::Deserialize;
use serde_json::json;
use tokio_util::task::AbortOnDropHandle;

use crate::domain::{Key, Refused};
use crate::limits::{self, Invalid, WAIT_MAX};
use crate::state::Registry;
use crate::watching::Watcher;

/// Between two signs of life on an event stream without events.
const EVENT_KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Debug, Clone)]
struct AppState {
    registry: Arc<Registry>,
    /// Upkeep lives as long as the routes do.
    _upkeep: Arc<AbortOnDropHandle<()>>,
}

/// The API's routes; `upkeep` ends with them.
pub(crate) fn routes(registry: Arc<Registry>, upkeep: AbortOnDropHandle<()>) -> Router {
    let instance = "/v1/services/{service}/instances/{id}";
    Router::new()
        .route("/v1/services", get(list))
        .route("/v1/services/{service}", get(watch))
        .route(instance, put(register).delete(deregister))
        .route(&format!("{instance}/renew"), post(renew))
        .route(&format!("{instance}/status"), patch(set_status))
        .with_state(AppState {
            registry,
            _upkeep: Arc::new(upkeep),
        })
}

async fn register(
    State(AppState { registry, .. }): State<AppState>,
    Path(names): Path<(String, String)>,
    Json(registration): Json<Registration>,
) -> Result<(StatusCode, Json<Lease>)> {
    let key = checked(names)?;
    limits::check_registration(&registration).map_err(invalid)?;
    let lease_id = uuid::Uuid::new_v4().to_string();
    let registered = registry
        .change(|directory, now| directory.register(now, &key, registration, lease_id))
        .map_err(refused)?;
    registry.saved().await;
    let status = if registered.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    if registered.created {
        tracing::info!(service = key.service, instance = key.id, "registered");
    }
    Ok((status, Json(registered.lease)))
}

async fn renew(
    State(AppState { registry, .. }): State<AppState>,
    Path(names): Path<(String, String)>,
    Json(Renewal { lease_id }): Json<Renewal>,
) -> Result<Json<Lease>> {
    let key = checked(names)?;
    let lease = registry.change(|directory, now| directory.renew(now, &key, &lease_id));
    lease.map(Json).map_err(refused)
}

async fn set_status(
    State(AppState { registry, .. }): State<AppState>,
    Path(names): Path<(String, String)>,
    Json(StatusChange { lease_id, status }): Json<StatusChange>,
) -> Result<StatusCode> {
    let key = checked(names)?;
    registry
        .change(|directory, _| directory.set_status(&key, &lease_id, status))
        .map_err(refused)?;
    registry.saved().await;
    Ok(StatusCode::NO_CONTENT)
}

async fn deregister(
    State(AppState { registry, .. }): State<AppState>,
    Path(names): Path<(String, String)>,
    Json(Renewal { lease_id }): Json<Renewal>,
) -> Result<StatusCode> {
    let key = checked(names)?;
    registry
        .change(|directory, _| directory.deregister(&key, &lease_id))
        .map_err(refused)?;
    registry.saved().await;
    tracing::info!(service = key.service, instance = key.id, "deregistered");
    Ok(StatusCode::NO_CONTENT)
}

async fn list(State(AppState { registry, .. }): State<AppState>) -> Response {
    let (index, services) = registry.read(|directory| (directory.index(), directory.services()));
    Json(json!({ "index": index, "items": services })).into_response()
}

#[derive(Debug, Deserialize)]
struct WatchQuery {
    index: Option<u64>,
    wait: Option<String>,
}

async fn watch(
    State(AppState { registry, .. }): State<AppState>,
    Extension(stopping): Extension<Stopping>,
    Path(service): Path<String>,
    Query(query): Query<WatchQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    limits::check_service_name(&service).map_err(invalid)?;
    let wait = query
        .wait
        .as_deref()
        .map(parse_wait)
        .transpose()?
        .unwrap_or_default();
    if wants_events(&headers) {
        // A browser that reconnects says where it was.
        let index = last_event_id(&headers).or(query.index).unwrap_or_default();
        let watcher =
            Watcher::new(registry, stopping, service, index).ok_or_else(too_many_watchers)?;
        let keep_alive = KeepAlive::new().interval(EVENT_KEEP_ALIVE);
        return Ok(Sse::new(watcher.events())
            .keep_alive(keep_alive)
            .into_response());
    }
    let view = match query.index {
        Some(index) if !wait.is_zero() => {
            Watcher::new(registry, stopping, service, index)
                .ok_or_else(too_many_watchers)?
                .poll(wait)
                .await
        }
        _ => registry.read(|directory| directory.view(&service)),
    };
    Ok(Json(view).into_response())
}

/// Reads `30s`, `500ms` or plain seconds; more than [`WAIT_MAX`] is cut to it.
fn parse_wait(text: &str) -> Result<Duration> {
    let (digits, unit) = match text.strip_suffix("ms") {
        Some(digits) => (digits, Duration::from_millis(1)),
        None => (
            text.strip_suffix('s').unwrap_or(text),
            Duration::from_secs(1),
        ),
    };
    let count: u32 = digits.parse().map_err(|_| {
        Problem::bad_request("`wait` must be a whole number with its unit, such as 30s or 500ms")
    })?;
    Ok(unit.saturating_mul(count).min(WAIT_MAX))
}

fn wants_events(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/event-stream"))
}

fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    headers.get("last-event-id")?.to_str().ok()?.parse().ok()
}

fn checked((service, id): (String, String)) -> Result<Key> {
    limits::check_names(&service, &id).map_err(invalid)?;
    Ok(Key { service, id })
}

fn too_many_watchers() -> Problem {
    let detail = "as many requests wait for a change as may; ask without `wait`";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_watchers", detail)
}

fn invalid(invalid: Invalid) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_registration",
        invalid.to_string(),
    )
}

fn refused(refused: Refused) -> Problem {
    let (status, code) = match refused {
        Refused::Unknown => (StatusCode::NOT_FOUND, "unknown_instance"),
        Refused::AnothersLease => (StatusCode::CONFLICT, "anothers_lease"),
        Refused::RegistersItself => (StatusCode::CONFLICT, "registers_itself"),
        Refused::NotToBeSaid => (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable"),
        Refused::Full => (StatusCode::SERVICE_UNAVAILABLE, "registry_full"),
    };
    Problem::new(status, code, refused.to_string())
}
