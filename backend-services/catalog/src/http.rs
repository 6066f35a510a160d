//! The REST interface, and the only place where an error becomes a status.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use pagination::{Page, PageRequest};
use problem::Problem;
use problem::extract::{Json, Path, Query};
use serde::Deserialize;

use crate::domain::{Filter, Product};
use crate::store::Store;

/// The routes of this service, over `store`.
pub(crate) fn routes(store: Store) -> Router {
    Router::new()
        .route("/products", get(list))
        .route("/products/{sku}", get(show))
        .with_state(store)
}

#[derive(Debug, Deserialize)]
struct ListQuery {
    q: Option<String>,
    category: Option<String>,
    ids: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
}

async fn list(
    State(store): State<Store>,
    Query(query): Query<ListQuery>,
) -> problem::Result<Json<Page<Product>>> {
    let filter = Filter::parse(query.q.as_deref(), query.category, query.ids.as_deref())
        .map_err(|error| Problem::bad_request(error.to_string()))?;
    // Who names the products wants all of them, not the first twenty.
    let named = filter
        .skus
        .as_ref()
        .and_then(|skus| i64::try_from(skus.len().max(1)).ok());
    let request = PageRequest::parse(query.limit.or(named), query.cursor.as_deref())?;
    Ok(Json(store.list(&filter, &request).await.map_err(database)?))
}

async fn show(
    State(store): State<Store>,
    Path(sku): Path<String>,
) -> problem::Result<Json<Product>> {
    let product = store.get(&sku).await.map_err(database)?;
    product
        .map(Json)
        .ok_or_else(|| Problem::not_found(format!("there is no product {sku}")))
}

fn database(error: sqlx::Error) -> Problem {
    tracing::error!(%error, "the database failed");
    match error {
        sqlx::Error::PoolTimedOut => Problem::unavailable("the database is busy; try again"),
        _ => Problem::internal(),
    }
}
