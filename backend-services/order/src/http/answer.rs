//! From outcome to status.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::Response;
use problem::Problem;
use serde_json::json;

use crate::domain::{CancelError, Order, PricingError, RequestError, Status};
use crate::idempotency::{Answer, KeyError};
use crate::inventory::RefusalCode;
use crate::placement::{CancelFailure, PlaceError};

/// The answer to an order that was placed.
pub(crate) fn created(order: &Order) -> Answer {
    Answer {
        status: StatusCode::CREATED.as_u16(),
        location: Some(format!("/orders/{}", order.id)),
        body: serde_json::to_string(order).expect("an order is numbers and text, which JSON holds"),
    }
}

/// The answer to an order that inventory has refused.
pub(crate) fn refused(code: RefusalCode, skus: &[String]) -> Answer {
    let problem = match code {
        RefusalCode::UnknownSku => unknown_skus(skus),
        RefusalCode::InsufficientStock => Problem::new(
            StatusCode::CONFLICT,
            "insufficient_stock",
            format!("there is not enough of {}", skus.join(", ")),
        )
        .with("skus", json!(skus)),
    };
    Answer {
        status: problem.status().as_u16(),
        location: None,
        body: String::from_utf8_lossy(&problem.to_json()).into_owned(),
    }
}

/// Gives an answer, for the first time or again: the client sees no difference.
pub(super) fn respond(answer: Answer) -> problem::Result<Response> {
    let content_type = if answer.status < 400 {
        "application/json"
    } else {
        problem::CONTENT_TYPE
    };
    let mut response = Response::builder()
        .status(answer.status)
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CACHE_CONTROL, "no-store");
    if let Some(location) = answer.location {
        response = response.header(header::LOCATION, location);
    }
    response.body(Body::from(answer.body)).map_err(|error| {
        tracing::error!(%error, "a kept answer cannot be given again");
        Problem::internal()
    })
}

pub(super) fn not_placed(error: PlaceError) -> Problem {
    match error {
        PlaceError::InProgress => Problem::new(
            StatusCode::CONFLICT,
            "request_in_progress",
            "an order with this `Idempotency-Key` is being placed right now; ask again shortly",
        ),
        PlaceError::KeyReused => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_key_reused",
            "this `Idempotency-Key` came with another order before; send a fresh one",
        ),
        PlaceError::Pricing(PricingError::UnknownSkus(skus)) => unknown_skus(&skus),
        PlaceError::Pricing(PricingError::Money(error)) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "no_total",
            error.to_string(),
        ),
        PlaceError::Catalog(error) => {
            tracing::warn!(%error, "the catalogue gives no prices");
            unavailable(
                "catalog_unavailable",
                "the catalogue gives no prices at the moment",
            )
        }
        PlaceError::Inventory(error) => {
            tracing::warn!(%error, "inventory does not reserve; the order is rejected");
            unavailable(
                "inventory_unavailable",
                "stock cannot be reserved at the moment",
            )
        }
        PlaceError::GivenUp => {
            tracing::warn!("an order took so long that the sweep gave it up");
            unavailable("order_timed_out", "placing the order took too long")
        }
        PlaceError::Database(error) => database(error),
    }
}

pub(super) fn not_cancelled(id: i64, failure: CancelFailure) -> Problem {
    match failure {
        CancelFailure::NotFound => not_found(id),
        CancelFailure::Refused(CancelError::Stale { current }) => Problem::new(
            StatusCode::CONFLICT,
            "version_conflict",
            format!("the order has changed meanwhile and is at version {current} now"),
        )
        .with("current_version", json!(current)),
        CancelFailure::Refused(CancelError::NotApproved(status)) => Problem::new(
            StatusCode::CONFLICT,
            "order_not_cancellable",
            match status {
                Status::Pending => "the order is being placed; it can be cancelled once it is",
                Status::Rejected => "the order was rejected; there is nothing to cancel",
                Status::Approved | Status::Cancelled => "the order is cancelled already",
            },
        ),
        CancelFailure::Database(error) => database(error),
    }
}

pub(super) fn bad_key(error: &KeyError) -> Problem {
    let code = match error {
        KeyError::Missing => "idempotency_key_missing",
        KeyError::Malformed => "idempotency_key_malformed",
    };
    Problem::new(StatusCode::BAD_REQUEST, code, error.to_string())
}

pub(super) fn invalid(error: &RequestError) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_order",
        error.to_string(),
    )
}

pub(super) fn not_found(id: i64) -> Problem {
    Problem::not_found(format!("there is no order {id}"))
}

pub(super) fn database(error: sqlx::Error) -> Problem {
    tracing::error!(%error, "the database failed");
    match error {
        sqlx::Error::PoolTimedOut => Problem::unavailable("the database is busy; try again"),
        _ => Problem::internal(),
    }
}

fn unknown_skus(skus: &[String]) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "unknown_sku",
        format!("the shop does not sell {}", skus.join(", ")),
    )
    .with("skus", json!(skus))
}

fn unavailable(code: &'static str, detail: &str) -> Problem {
    let detail = format!("{detail}; no order was placed, try again");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
}
