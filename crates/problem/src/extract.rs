//! axum's extractors, with a problem document for an answer when the request does not fit.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Problem;

/// A JSON body, as a request and as a response.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json<T>(pub T);

/// Parts of the path.
#[derive(Debug, Clone, Copy, Default)]
pub struct Path<T>(pub T);

/// The query string.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match axum::Json::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(json_problem(&rejection)),
        }
    }
}

fn json_problem(rejection: &JsonRejection) -> Problem {
    // axum's own words begin with what it tried to do; what follows says where the body is wrong.
    let text = rejection.body_text();
    let detail = text
        .strip_prefix("Failed to deserialize the JSON body into the target type: ")
        .unwrap_or(&text)
        .to_owned();
    match rejection.status() {
        StatusCode::UNPROCESSABLE_ENTITY => Problem::unprocessable(detail),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            detail,
        ),
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
        }
        _ => Problem::bad_request(detail),
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            // A path that is no valid id names nothing: 404 rather than 400.
            Err(PathRejection::FailedToDeserializePathParams(_)) => {
                Err(Problem::not_found("nothing has an id of this form"))
            }
            Err(_) => Err(Problem::internal()),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query: Result<_, QueryRejection> =
            axum::extract::Query::from_request_parts(parts, state).await;
        match query {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(Problem::bad_request(rejection.body_text())),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::{get, post};
    use http::header;
    use serde::Deserialize;
    use tower::ServiceExt as _;

    use super::*;

    #[derive(Debug, Deserialize, Serialize)]
    struct Order {
        customer_id: u32,
    }

    #[derive(Debug, Deserialize)]
    struct Limit {
        limit: Option<u8>,
    }

    async fn answer(request: http::request::Builder, body: &'static str) -> (u16, String, String) {
        let app = Router::new()
            .route(
                "/orders",
                post(|Json(order): Json<Order>| async { Json(order) }),
            )
            .route(
                "/orders/{id}",
                get(|Path(id): Path<u32>| async move { id.to_string() }),
            )
            .route(
                "/list",
                get(|Query(Limit { limit }): Query<Limit>| async move { format!("{limit:?}") }),
            );
        let response = app
            .oneshot(request.body(Body::from(body)).unwrap())
            .await
            .unwrap();
        let status = response.status().as_u16();
        let kind = response.headers()[header::CONTENT_TYPE]
            .to_str()
            .unwrap()
            .to_owned();
        let body = axum::body::to_bytes(response.into_body(), 65_536)
            .await
            .unwrap();
        (status, kind, String::from_utf8(body.to_vec()).unwrap())
    }

    fn post_json() -> http::request::Builder {
        Request::post("/orders").header(header::CONTENT_TYPE, "application/json")
    }

    #[track_caller]
    fn assert_problem((status, kind, body): &(u16, String, String), wanted: u16, code: &str) {
        assert_eq!(
            (*status, kind.as_str()),
            (wanted, crate::CONTENT_TYPE),
            "{body}"
        );
        let document: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(document["code"], code);
    }

    #[tokio::test]
    async fn what_fits_goes_through() {
        let (status, kind, body) = answer(post_json(), r#"{"customer_id":7}"#).await;
        assert_eq!((status, kind.as_str()), (200, "application/json"));
        assert_eq!(body, r#"{"customer_id":7}"#);
        assert_eq!(answer(Request::get("/orders/7"), "").await.2, "7");
        assert_eq!(answer(Request::get("/list?limit=7"), "").await.2, "Some(7)");
    }

    #[tokio::test]
    async fn what_does_not_fit_is_a_problem_that_says_where() {
        assert_problem(&answer(post_json(), "{").await, 400, "bad_request");
        let wrong = answer(post_json(), r#"{"customer_id":"x"}"#).await;
        assert_problem(&wrong, 422, "unprocessable");
        assert!(wrong.2.contains("customer_id"), "{}", wrong.2);
        let untyped = answer(Request::post("/orders"), "{}").await;
        assert_problem(&untyped, 415, "unsupported_media_type");
        assert_problem(
            &answer(Request::get("/orders/x"), "").await,
            404,
            "not_found",
        );
        let wrong = answer(Request::get("/list?limit=300"), "").await;
        assert_problem(&wrong, 400, "bad_request");
        assert!(wrong.2.contains("limit"), "{}", wrong.2);
    }
}
