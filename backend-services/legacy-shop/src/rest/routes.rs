//! Handlers: from request to domain and back.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use pagination::{Page, PageRequest};
use problem::Problem;
use problem::extract::{Json, Path, Query};
use serde::Deserialize;

use super::answer;
use crate::domain::{ClientKey, Filter, Order, Product, Request};
use crate::store::Store;

/// The old API.
pub(crate) fn routes() -> Router<Store> {
    Router::new()
        .route("/api/orders", get(list_orders).post(place_order))
        .route("/api/orders/{id}", get(show_order))
        .route("/api/orders/{id}/cancel", post(cancel_order))
        .route("/api/products", get(list_products))
        .route("/api/products/{sku}", get(show_product))
}

#[derive(Debug, Deserialize)]
struct OrdersQuery {
    customer_id: Option<i64>,
    limit: Option<i64>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ProductsQuery {
    q: Option<String>,
    category: Option<String>,
    ids: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct CancelBody {
    version: i64,
}

async fn list_orders(
    State(store): State<Store>,
    Query(query): Query<OrdersQuery>,
) -> problem::Result<Json<Page<Order>>> {
    let request = PageRequest::parse(query.limit, query.cursor.as_deref())?;
    let rows = store
        .orders(
            query.customer_id,
            request.after().copied(),
            request.limit() + 1,
        )
        .await
        .map_err(answer::database)?;
    Ok(Json(Page::cut(rows, &request, |order| order.id)))
}

async fn show_order(
    State(store): State<Store>,
    Path(id): Path<i64>,
) -> problem::Result<Json<Order>> {
    let order = store.order(id).await.map_err(answer::database)?;
    order.map(Json).ok_or_else(|| answer::no_order(id))
}

async fn place_order(
    State(store): State<Store>,
    headers: HeaderMap,
    Json(request): Json<Request>,
) -> problem::Result<Response> {
    request.check().map_err(|error| answer::invalid(&error))?;
    let key = client_key(&headers, &request)?;
    let placed = store.place_order(key.as_ref(), &request, Timestamp::now());
    let order = placed.await.map_err(answer::not_placed)?;
    let location = [(header::LOCATION, format!("/api/orders/{}", order.id))];
    Ok((StatusCode::CREATED, location, Json(order)).into_response())
}

/// The key that newer clients send. Callers are told apart as the gateway has verified them.
fn client_key(headers: &HeaderMap, request: &Request) -> problem::Result<Option<ClientKey>> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let user = headers.get("x-user-id").map(|value| value.as_bytes());
    let user = String::from_utf8_lossy(user.unwrap_or_default());
    ClientKey::new(format!("user:{user}"), key.as_bytes(), request)
        .map(Some)
        .map_err(answer::bad_key)
}

async fn cancel_order(
    State(store): State<Store>,
    Path(id): Path<i64>,
    Json(body): Json<CancelBody>,
) -> problem::Result<Json<Order>> {
    let cancelled = store.cancel_order(id, body.version).await;
    cancelled
        .map(Json)
        .map_err(|failure| answer::not_cancelled(id, failure))
}

async fn list_products(
    State(store): State<Store>,
    Query(query): Query<ProductsQuery>,
) -> problem::Result<Json<Page<Product>>> {
    let filter = Filter::parse(query.q.as_deref(), query.category, query.ids.as_deref())
        .map_err(|error| Problem::bad_request(error.to_string()))?;
    // Who names the products wants all of them, not the first twenty.
    let named = filter
        .skus
        .as_ref()
        .and_then(|skus| i64::try_from(skus.len().max(1)).ok());
    let request = PageRequest::<String>::parse(query.limit.or(named), query.cursor.as_deref())?;
    let after = request.after().map_or("", String::as_str);
    let rows = store.products(&filter, after, request.limit() + 1).await;
    let rows = rows.map_err(answer::database)?;
    Ok(Json(Page::cut(rows, &request, |product| {
        product.sku.clone()
    })))
}

async fn show_product(
    State(store): State<Store>,
    Path(sku): Path<String>,
) -> problem::Result<Json<Product>> {
    let product = store.product(&sku).await.map_err(answer::database)?;
    product
        .map(Json)
        .ok_or_else(|| Problem::not_found(format!("there is no product {sku}")))
}
