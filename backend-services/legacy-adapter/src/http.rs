//! The REST interface, the same as the customer service's.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use pagination::{Page, PageRequest};
use problem::extract::{Json, Path, Query};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{self, Refusal};
use crate::monolith::Monolith;
use crate::translate::{self, Change, Credit, Customer, Record};

/// The routes of this service, over `monolith`.
pub(crate) fn routes(monolith: Arc<Monolith>) -> Router {
    Router::new()
        .route("/customers", get(list))
        .route("/customers/{id}", get(show).put(update))
        .route("/customers/{id}/credit", get(credit))
        .route("/stats", get(stats))
        .with_state(monolith)
}

#[derive(Debug, Deserialize)]
struct ListQuery {
    limit: Option<i64>,
    cursor: Option<String>,
}

async fn list(
    State(monolith): State<Arc<Monolith>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<Customer>>, Refusal> {
    let request = PageRequest::parse(query.limit, query.cursor.as_deref())
        .map_err(|error| Refusal::Ours(error.into()))?;
    let after = request.after().copied();
    let call = translate::list_customers(after, request.rows_to_read());
    let rows = monolith
        .ask(call, translate::customers)
        .await
        .map_err(answer::not_listed)?;
    let customers = rows.into_iter().map(|record| record.customer).collect();
    Ok(Json(Page::cut(
        customers,
        &request,
        |customer: &Customer| customer.id,
    )))
}

async fn show(
    State(monolith): State<Arc<Monolith>>,
    Path(id): Path<i64>,
) -> Result<Json<Customer>, Refusal> {
    Ok(Json(find(&monolith, id).await?.customer))
}

async fn credit(
    State(monolith): State<Arc<Monolith>>,
    Path(id): Path<i64>,
) -> Result<Json<Credit>, Refusal> {
    let record = find(&monolith, id).await?;
    let credit = record.credit().map_err(|error| {
        tracing::error!(%error, customer = id, "the monolith's credit does not add up");
        Refusal::Ours(problem::Problem::internal())
    })?;
    Ok(Json(credit))
}

async fn update(
    State(monolith): State<Arc<Monolith>>,
    Path(id): Path<i64>,
    Json(change): Json<Change>,
) -> Result<Json<Customer>, Refusal> {
    let call = translate::update_customer(id, &change).map_err(answer::invalid)?;
    let record = monolith
        .ask(call, translate::customer)
        .await
        .map_err(|failure| answer::not_updated(id, failure))?;
    Ok(Json(record.customer))
}

async fn find(monolith: &Monolith, id: i64) -> Result<Record, Refusal> {
    monolith
        .ask(translate::get_customer(id), translate::customer)
        .await
        .map_err(|failure| answer::not_found(id, failure))
}

async fn stats(State(monolith): State<Arc<Monolith>>) -> Json<Value> {
    Json(json!({ "failures": monolith.counters(), "breaker": monolith.breaker_state() }))
}
