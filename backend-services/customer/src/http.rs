//! The REST interface, and the only place where an error becomes a status.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use pagination::{Page, PageRequest};
use problem::Problem;
use problem::extract::{Json, Path, Query};
use serde::Deserialize;
use serde_json::json;

use crate::domain::{Change, ChangeError, Credit, Customer};
use crate::store::{Store, UpdateError};

/// The routes of this service, over `store`.
pub(crate) fn routes(store: Store) -> Router {
    Router::new()
        .route("/customers", get(list))
        .route("/customers/{id}", get(show).put(update))
        .route("/customers/{id}/credit", get(credit))
        .with_state(store)
}

#[derive(Debug, Deserialize)]
struct ListQuery {
    limit: Option<i64>,
    cursor: Option<String>,
}

async fn list(
    State(store): State<Store>,
    Query(query): Query<ListQuery>,
) -> problem::Result<Json<Page<Customer>>> {
    let request = PageRequest::parse(query.limit, query.cursor.as_deref())?;
    Ok(Json(store.list(&request).await.map_err(database)?))
}

async fn show(State(store): State<Store>, Path(id): Path<i64>) -> problem::Result<Json<Customer>> {
    Ok(Json(find(&store, id).await?))
}

async fn credit(State(store): State<Store>, Path(id): Path<i64>) -> problem::Result<Json<Credit>> {
    let credit = find(&store, id).await?.credit().map_err(|error| {
        tracing::error!(%error, customer = id, "the stored credit does not add up");
        Problem::internal()
    })?;
    Ok(Json(credit))
}

async fn update(
    State(store): State<Store>,
    Path(id): Path<i64>,
    Json(change): Json<Change>,
) -> problem::Result<Json<Customer>> {
    let customer = store
        .update(id, change)
        .await
        .map_err(|error| match error {
            UpdateError::NotFound => not_found(id),
            UpdateError::Refused(refusal) => refused(refusal),
            UpdateError::Database(error) => database(error),
        })?;
    Ok(Json(customer))
}

async fn find(store: &Store, id: i64) -> problem::Result<Customer> {
    store
        .get(id)
        .await
        .map_err(database)?
        .ok_or_else(|| not_found(id))
}

fn not_found(id: i64) -> Problem {
    Problem::not_found(format!("there is no customer {id}"))
}

fn refused(error: ChangeError) -> Problem {
    match error {
        ChangeError::Stale { current } => Problem::new(
            StatusCode::CONFLICT,
            "version_conflict",
            format!("the customer has changed meanwhile and is at version {current} now"),
        )
        .with("current_version", json!(current)),
        ChangeError::Invalid(violations) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_customer",
            "some fields cannot be accepted; `errors` names them all",
        )
        .with("errors", json!(violations)),
    }
}

fn database(error: sqlx::Error) -> Problem {
    tracing::error!(%error, "the database failed");
    match error {
        sqlx::Error::PoolTimedOut => Problem::unavailable("the database is busy; try again"),
        _ => Problem::internal(),
    }
}
