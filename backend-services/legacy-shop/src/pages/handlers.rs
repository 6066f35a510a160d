//! Handlers: from address to page. Errors are pages too: people read them.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use maud::Markup;
use serde::Deserialize;

use super::markup;
use crate::store::Store;

/// Rows of a list on one page.
const ROWS: u32 = 50;

/// Nothing but our own style sheet is loaded, and nobody frames the pages.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The old pages.
pub(crate) fn routes() -> Router<Store> {
    Router::new()
        .route("/old", get(home))
        .route("/old/", get(home))
        .route("/old/style.css", get(style))
        .route("/old/customers", get(customers))
        .route("/old/customers/{id}", get(customer))
        .route("/old/orders", get(orders))
        .route("/old/orders/{id}", get(order))
        .route("/old/{*rest}", any(lost))
}

/// Where a list goes on: customers after, orders before a number.
#[derive(Debug, Default, Deserialize)]
struct ListQuery {
    from: Option<i64>,
}

/// Why there is no page to show.
enum Refusal {
    NotFound(&'static str),
    Database(sqlx::Error),
}

/// What cannot be read is left out: the list is shown from its start.
type List = Result<Query<ListQuery>, QueryRejection>;

type Answer = Result<Response, Refusal>;

async fn home() -> Response {
    page(StatusCode::OK, markup::home())
}

async fn style() -> Response {
    let content_type = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (content_type, include_str!("style.css")).into_response()
}

async fn lost() -> Response {
    Refusal::NotFound("There is no such page.").into_response()
}

async fn customers(State(store): State<Store>, query: List) -> Answer {
    let Query(query) = query.unwrap_or_default();
    let rows = store.customers(query.from, ROWS + 1).await?;
    let (rows, more) = cut(rows);
    let next = rows.last().filter(|_| more).map(|last| last.id);
    Ok(page(StatusCode::OK, markup::customers(&rows, next)))
}

async fn customer(State(store): State<Store>, Path(id): Path<String>) -> Answer {
    const NONE: Refusal = Refusal::NotFound("There is no such customer.");
    let id = id.parse().map_err(|_| NONE)?;
    let customer = store.customer(id).await?.ok_or(NONE)?;
    let orders = store.orders(Some(id), None, ROWS).await?;
    Ok(page(StatusCode::OK, markup::customer(&customer, &orders)))
}

async fn orders(State(store): State<Store>, query: List) -> Answer {
    let Query(query) = query.unwrap_or_default();
    let rows = store.orders(None, query.from, ROWS + 1).await?;
    let (rows, more) = cut(rows);
    let next = rows.last().filter(|_| more).map(|last| last.id);
    let mut names = BTreeMap::new();
    for order in &rows {
        if !names.contains_key(&order.customer_id) {
            let customer = store.customer(order.customer_id).await?;
            names.extend(customer.map(|customer| (customer.id, customer.name)));
        }
    }
    Ok(page(StatusCode::OK, markup::orders(&rows, &names, next)))
}

async fn order(State(store): State<Store>, Path(id): Path<String>) -> Answer {
    const NONE: Refusal = Refusal::NotFound("There is no such order.");
    let id = id.parse().map_err(|_| NONE)?;
    let order = store.order(id).await?.ok_or(NONE)?;
    let customer = store.customer(order.customer_id).await?;
    let name = customer.map(|customer| customer.name).unwrap_or_default();
    Ok(page(StatusCode::OK, markup::order(&order, &name)))
}

/// The rows of this page, and whether there are more.
fn cut<T>(mut rows: Vec<T>) -> (Vec<T>, bool) {
    let more = rows.len() > ROWS as usize;
    rows.truncate(ROWS as usize);
    (rows, more)
}

fn page(status: StatusCode, markup: Markup) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, markup.into_string()).into_response()
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound(what) => page(StatusCode::NOT_FOUND, markup::message("Not found", what)),
            Self::Database(error) => {
                tracing::error!(%error, "the database failed");
                let what = "The shop cannot answer at the moment. Please try again.";
                page(
                    StatusCode::SERVICE_UNAVAILABLE,
                    markup::message("Out of order", what),
                )
            }
        }
    }
}
