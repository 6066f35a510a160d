//! The REST interface, and the only place where an error becomes a status.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use jiff::Timestamp;
use pagination::{Page, PageRequest};
use problem::Problem;
use problem::extract::{Json, Path, Query};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::domain::{Line, Lines, Reservation, Stock, parse_skus};
use crate::store::{RecountError, ReleaseError, ReserveError, Store};

/// The routes of this service, over `store`.
pub(crate) fn routes(store: Store) -> Router {
    Router::new()
        .route("/stock", get(list))
        .route("/stock/{sku}", get(show).put(recount))
        .route(
            "/stock/reservations/{id}",
            put(reserve).get(reservation).delete(release),
        )
        .with_state(store)
}

#[derive(Debug, Deserialize)]
struct ListQuery {
    skus: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Count {
    available: u32,
    version: i64,
}

#[derive(Debug, Deserialize)]
struct ReserveBody {
    lines: Vec<Line>,
}

async fn list(
    State(store): State<Store>,
    Query(query): Query<ListQuery>,
) -> problem::Result<Json<Page<Stock>>> {
    let skus = query.skus.as_deref().map(parse_skus).transpose();
    let skus = skus.map_err(|error| Problem::bad_request(error.to_string()))?;
    // Who names the products wants all of them, not the first twenty.
    let named = skus
        .as_ref()
        .and_then(|skus| i64::try_from(skus.len().max(1)).ok());
    let request = PageRequest::parse(query.limit.or(named), query.cursor.as_deref())?;
    Ok(Json(
        store
            .list(skus.as_deref(), &request)
            .await
            .map_err(database)?,
    ))
}

async fn show(State(store): State<Store>, Path(sku): Path<String>) -> problem::Result<Json<Stock>> {
    let stock = store.get(&sku).await.map_err(database)?;
    stock.map(Json).ok_or_else(|| no_stock(&sku))
}

async fn recount(
    State(store): State<Store>,
    Path(sku): Path<String>,
    Json(count): Json<Count>,
) -> problem::Result<Json<Stock>> {
    let counted = store.recount(&sku, count.available, count.version).await;
    counted.map(Json).map_err(|error| match error {
        RecountError::NotFound => no_stock(&sku),
        RecountError::Stale { current } => Problem::new(
            StatusCode::CONFLICT,
            "version_conflict",
            format!("the stock has changed meanwhile and is at version {current} now"),
        )
        .with("current_version", json!(current)),
        RecountError::Database(error) => database(error),
    })
}

async fn reserve(
    State(store): State<Store>,
    Path(id): Path<Uuid>,
    Json(body): Json<ReserveBody>,
) -> problem::Result<(StatusCode, Json<Reservation>)> {
    let lines = Lines::parse(body.lines).map_err(|error| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_lines",
            error.to_string(),
        )
    })?;
    let reserved = store.reserve(id, &lines).await.map_err(not_reserved)?;
    let status = if reserved.new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(reserved.reservation)))
}

async fn reservation(
    State(store): State<Store>,
    Path(id): Path<Uuid>,
) -> problem::Result<Json<Reservation>> {
    let reservation = store.reservation(id).await.map_err(database)?;
    reservation
        .map(Json)
        .ok_or_else(|| Problem::not_found(format!("there is no reservation {id}")))
}

async fn release(State(store): State<Store>, Path(id): Path<Uuid>) -> problem::Result<StatusCode> {
    store
        .release(id, Timestamp::now())
        .await
        .map_err(|error| match error {
            ReleaseError::Imbalance(error) => {
                tracing::error!(%error, reservation = %id, "the stock does not add up");
                Problem::internal()
            }
            ReleaseError::Database(error) => database(error),
        })?;
    Ok(StatusCode::NO_CONTENT)
}

fn no_stock(sku: &str) -> Problem {
    Problem::not_found(format!("there is no stock of {sku}"))
}

fn not_reserved(error: ReserveError) -> Problem {
    match error {
        ReserveError::Insufficient(skus) => Problem::new(
            StatusCode::CONFLICT,
            "insufficient_stock",
            format!("there is not enough of {}", skus.join(", ")),
        )
        .with("skus", json!(skus)),
        ReserveError::UnknownSkus(skus) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "unknown_sku",
            format!("there is no stock of {}", skus.join(", ")),
        )
        .with("skus", json!(skus)),
        ReserveError::Released => Problem::new(
            StatusCode::CONFLICT,
            "reservation_released",
            "the reservation was released and cannot be made any more",
        ),
        ReserveError::Differs => Problem::new(
            StatusCode::CONFLICT,
            "reservation_differs",
            "the reservation exists already, with other lines",
        ),
        ReserveError::Database(error) => database(error),
    }
}

fn database(error: sqlx::Error) -> Problem {
    tracing::error!(%error, "the database failed");
    match error {
        sqlx::Error::PoolTimedOut => Problem::unavailable("the database is busy; try again"),
        _ => Problem::internal(),
    }
}
