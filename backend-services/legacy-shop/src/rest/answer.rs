//! From error to problem document, with the codes that the services use too.

use axum::http::StatusCode;
use problem::Problem;
use serde_json::json;

use crate::domain::{CancelError, KeyError, PricingError, RequestError};
use crate::store::{CancelFailure, PlaceError};

pub(super) fn not_placed(error: PlaceError) -> Problem {
    match error {
        PlaceError::UnknownCustomer(id) => unprocessable(
            "unknown_customer",
            format!("there is no customer {id} to order for"),
        ),
        PlaceError::Pricing(PricingError::UnknownSkus(skus)) => unprocessable(
            "unknown_sku",
            format!("the shop does not sell {}", skus.join(", ")),
        )
        .with("skus", json!(skus)),
        PlaceError::Pricing(PricingError::Money(error)) => {
            unprocessable("no_total", error.to_string())
        }
        PlaceError::InsufficientStock(skus) => Problem::new(
            StatusCode::CONFLICT,
            "insufficient_stock",
            format!("there is not enough of {}", skus.join(", ")),
        )
        .with("skus", json!(skus)),
        PlaceError::KeyReused => unprocessable(
            "idempotency_key_reused",
            "this `Idempotency-Key` came with another order before; send a fresh one",
        ),
        PlaceError::Database(error) => database(error),
    }
}

pub(super) fn not_cancelled(id: i64, failure: CancelFailure) -> Problem {
    match failure {
        CancelFailure::NotFound => no_order(id),
        CancelFailure::Refused(CancelError::Stale { current }) => Problem::new(
            StatusCode::CONFLICT,
            "version_conflict",
            format!("the order has changed meanwhile and is at version {current} now"),
        )
        .with("current_version", json!(current)),
        CancelFailure::Refused(CancelError::Cancelled) => Problem::new(
            StatusCode::CONFLICT,
            "order_not_cancellable",
            "the order is cancelled already",
        ),
        CancelFailure::Database(error) => database(error),
    }
}

pub(super) fn bad_key(error: KeyError) -> Problem {
    let detail = format!("`Idempotency-Key`: {error}");
    Problem::new(StatusCode::BAD_REQUEST, "idempotency_key_malformed", detail)
}

pub(super) fn invalid(error: &RequestError) -> Problem {
    unprocessable("invalid_order", error.to_string())
}

pub(super) fn no_order(id: i64) -> Problem {
    Problem::not_found(format!("there is no order {id}"))
}

pub(super) fn database(error: sqlx::Error) -> Problem {
    tracing::error!(%error, "the database failed");
    match error {
        sqlx::Error::PoolTimedOut => Problem::unavailable("the database is busy; try again"),
        _ => Problem::internal(),
    }
}

fn unprocessable(code: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
}
