//! `/explain`: what becomes of a request, on this gateway, now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use problem::Problem;

use crate::explain::{Live, Question, Words, explain as explain_request};
use crate::state::GatewayState;

/// Takes `{"method", "url", "headers": [[name, value]], "client_ip"}`. JSON only: no page that a browser
/// shows can send that here unasked.
pub(super) async fn explain(
    Shared(gateway): Shared<Arc<GatewayState>>,
    words: Result<Json<Words>, JsonRejection>,
) -> Response {
    let refuse = |detail: &str| Problem::new(StatusCode::BAD_REQUEST, "bad_question", detail);
    let words = match words {
        Ok(Json(words)) => words,
        Err(rejection) => return refuse(&rejection.body_text()).into_response(),
    };
    let question = match Question::read(&words) {
        Ok(question) => question,
        Err(error) => return refuse(&error.to_string()).into_response(),
    };
    let snapshot = gateway.snapshot.load_full();
    let live = Live {
        snapshot: &snapshot,
        clock: gateway.clock,
    };
    Json(explain_request(&snapshot.table, &question, Some(live))).into_response()
}
