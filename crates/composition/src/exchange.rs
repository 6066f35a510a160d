//! One part's request and answer, over HTTP.

use std::time::Duration;

use chassis::DEADLINE_HEADER;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use problem::Problem;
use reqwest::{RequestBuilder, Response};
use serde::Deserialize;
use tokio::time::Instant;

use crate::failed::{Failed, NoAnswer};

/// Bytes of one part; a larger one is an error.
pub(crate) const BYTES_MAX: usize = 1024 * 1024;

/// Bytes of a refusal that are read for its text.
const REFUSAL_BYTES_MAX: usize = 16 * 1024;

/// Characters of a service's own refusal that the client is told.
const DETAIL_CHARS_MAX: usize = 300;

/// Sends the first request; the next one only where the one before could not even be connected, which is
/// safe to repeat. Reads the whole body of a success.
pub(crate) async fn first_answer(
    requests: Vec<RequestBuilder>,
    until: Instant,
) -> Result<Vec<u8>, Failed> {
    let mut failed = Failed::skipped("there is nobody to ask");
    for request in requests {
        match in_time(request, until).send().await {
            Ok(response) => return read(response).await,
            Err(error) if error.is_connect() => {
                failed = Failed::unavailable("unreachable", root_cause(&error));
            }
            Err(error) if error.is_timeout() => return Err(Failed::timeout()),
            Err(error) => return Err(Failed::unavailable("unreachable", root_cause(&error))),
        }
    }
    Err(failed)
}

/// Tells the service the time it really has: what this part may take, not what the whole request may.
fn in_time(request: RequestBuilder, until: Instant) -> RequestBuilder {
    let left = until.saturating_duration_since(Instant::now());
    let ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    let deadline = HeaderMap::from_iter([(DEADLINE_HEADER, HeaderValue::from(ms))]);
    // `headers` replaces, `header` would add a second value. A timeout of nothing would mean "none".
    request
        .headers(deadline)
        .timeout(left.max(Duration::from_millis(1)))
}

async fn read(response: Response) -> Result<Vec<u8>, Failed> {
    let status = response.status();
    if status.is_success() {
        return body(response, BYTES_MAX).await;
    }
    let refused = |problem, response: &Response| {
        let challenge = response.headers().get(header::WWW_AUTHENTICATE).cloned();
        Err(Failed::Refused(NoAnswer::refused(problem, challenge)))
    };
    match status {
        StatusCode::UNAUTHORIZED => refused(
            Problem::unauthorized("the token was not accepted"),
            &response,
        ),
        StatusCode::FORBIDDEN => refused(
            Problem::forbidden("the token does not allow this"),
            &response,
        ),
        StatusCode::NOT_FOUND => Err(Failed::Own(Problem::not_found(
            own_words(response, "there is no such thing").await,
        ))),
        StatusCode::CONFLICT => Err(Failed::Own(Problem::conflict(
            own_words(response, "not in this state").await,
        ))),
        StatusCode::GATEWAY_TIMEOUT => Err(Failed::timeout()),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            Err(Failed::unavailable("unavailable", status))
        }
        status if status.is_server_error() => Err(Failed::bad_answer("failed", true, status)),
        status => Err(Failed::bad_answer("refused", false, status)),
    }
}

/// The `detail` of a problem document; without one, `default`.
async fn own_words(response: Response, default: &str) -> String {
    #[derive(Deserialize)]
    struct Document {
        detail: String,
    }
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind.as_bytes() != problem::CONTENT_TYPE.as_bytes()) {
        return default.to_owned();
    }
    let document = body(response, REFUSAL_BYTES_MAX).await.ok();
    let document: Option<Document> = document.and_then(|body| serde_json::from_slice(&body).ok());
    document.map_or_else(
        || default.to_owned(),
        |document| document.detail.chars().take(DETAIL_CHARS_MAX).collect(),
    )
}

async fn body(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, Failed> {
    let too_large = || Failed::bad_answer("too_large", false, format!("over {bytes_max} bytes"));
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= bytes_max => {
                body.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => return Err(too_large()),
            Ok(None) => return Ok(body),
            Err(error) if error.is_timeout() => return Err(Failed::timeout()),
            Err(error) => {
                return Err(Failed::bad_answer(
                    "broken_answer",
                    true,
                    root_cause(&error),
                ));
            }
        }
    }
}

/// What went wrong at the bottom: reqwest's own text says only that something did.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
