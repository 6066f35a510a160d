//! Handlers: from request to domain and back.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use chassis::Context;
use pagination::{Page, PageRequest};
use problem::Problem;
use problem::extract::{Json, Path, Query};
use serde::Deserialize;

use super::answer;
use crate::domain::{Order, Request};
use crate::idempotency::Claim;
use crate::placement::Orders;

/// The routes of this service, over `orders`.
pub(crate) fn routes(orders: Arc<Orders>) -> Router {
    Router::new()
        .route("/orders", get(list).post(place))
        .route("/orders/{id}", get(show))
        .route("/orders/{id}/cancel", post(cancel))
        .with_state(orders)
}

#[derive(Debug, Deserialize)]
struct ListQuery {
    customer_id: Option<i64>,
    limit: Option<i64>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct CancelBody {
    version: i64,
}

async fn list(
    State(orders): State<Arc<Orders>>,
    Query(query): Query<ListQuery>,
) -> problem::Result<Json<Page<Order>>> {
    let request = PageRequest::parse(query.limit, query.cursor.as_deref())?;
    let page = orders.store.list(query.customer_id, &request).await;
    page.map(Json).map_err(answer::database)
}

async fn show(
    State(orders): State<Arc<Orders>>,
    Path(id): Path<i64>,
) -> problem::Result<Json<Order>> {
    let order = orders.store.get(id).await.map_err(answer::database)?;
    order.map(Json).ok_or_else(|| answer::not_found(id))
}

async fn place(
    State(orders): State<Arc<Orders>>,
    headers: HeaderMap,
    Json(request): Json<Request>,
) -> problem::Result<Response> {
    // Who signed in, as the gateway has verified it.
    let caller = headers
        .get("x-user-id")
        .and_then(|value| value.to_str().ok());
    let key = headers.get("idempotency-key").map(|value| value.as_bytes());
    let claim = Claim::new(caller, key, &request).map_err(|error| answer::bad_key(&error))?;
    request.check().map_err(|error| answer::invalid(&error))?;

    // A task of its own, with the context of this request: a client that hangs up, or a deadline
    // that passes, must not leave an order half placed.
    let placing = Context::current().scope(async move { orders.place(claim, request).await });
    let placed = tokio::spawn(placing).await.map_err(|error| {
        tracing::error!(%error, "placing an order panicked");
        Problem::internal()
    })?;
    placed.map_err(answer::not_placed).and_then(answer::respond)
}

async fn cancel(
    State(orders): State<Arc<Orders>>,
    Path(id): Path<i64>,
    Json(body): Json<CancelBody>,
) -> problem::Result<Json<Order>> {
    let cancelled = orders.cancel(id, body.version).await;
    cancelled
        .map(Json)
        .map_err(|failure| answer::not_cancelled(id, failure))
}
