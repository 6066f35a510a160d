//! What holds for every request of every service.

use std::any::Any;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http_body_util::Limited;
use problem::Problem;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use crate::context::{Context, REQUEST_ID_HEADER};

/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Wraps a service's routes, outermost layer first.
pub(crate) fn wrap(routes: Router) -> Router {
    let stack = ServiceBuilder::new()
        // Outermost: the log line and the context cover all that happens below.
        .layer(middleware::from_fn(in_context))
        // A defect costs one request, and is logged with the request's id.
        .layer(CatchPanicLayer::custom(panicked))
        // No answer is worth more than the caller's patience.
        .layer(middleware::from_fn(within_deadline))
        // Innermost but for the limit, so that it sees what routing and extractors refuse.
        .layer(middleware::map_response(explain))
        // A body is cut where it outgrows the limit, whoever reads it, and however it is framed.
        .layer(middleware::from_fn(limited))
        // Ours is the only limit: axum's own would come first where it is the lower one.
        .layer(DefaultBodyLimit::disable());
    routes.layer(stack)
}

/// Continues the caller's context for the handler, and logs the request.
async fn in_context(request: Request, next: Next) -> Response {
    let context = Context::of_request(request.headers());
    let line = LogLine::of(&request, &context);
    let mut response = context.clone().scope(next.run(request)).await;
    if let Ok(id) = HeaderValue::from_str(&context.request_id) {
        response.headers_mut().insert(REQUEST_ID_HEADER, id);
    }
    line.answered(response.status());
    response
}

/// The log line of one request. It never holds the query, a header or a body: they carry personal
/// data and secrets.
struct LogLine {
    started: Instant,
    method: Method,
    path: String,
    request_id: String,
    trace_id: String,
    answered: bool,
}

impl LogLine {
    fn of(request: &Request, context: &Context) -> Self {
        Self {
            started: Instant::now(),
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            request_id: context.request_id.clone(),
            trace_id: context.trace.trace_id.to_string(),
            answered: false,
        }
    }

    fn answered(mut self, status: StatusCode) {
        self.answered = true;
        let ms = self.elapsed_ms();
        let Self {
            method,
            path,
            request_id,
            trace_id,
            ..
        } = &self;
        let status = status.as_u16();
        tracing::info!(%method, path, status, ms, request_id, trace_id, "request");
    }

    /// Milliseconds, with microseconds after the point.
    fn elapsed_ms(&self) -> f64 {
        (self.started.elapsed().as_secs_f64() * 1e6).round() / 1e3
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        if !self.answered {
            let ms = self.elapsed_ms();
            let Self {
                method,
                path,
                request_id,
                trace_id,
                ..
            } = &*self;
            tracing::info!(%method, path, ms, request_id, trace_id, "request given up by its caller");
        }
    }
}

/// The panic's message goes to the log, and nothing of it to the client.
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = match panic.downcast_ref::<&str>() {
        Some(message) => message,
        None => panic
            .downcast_ref::<String>()
            .map_or("not a text", String::as_str),
    };
    let request_id = Context::current().request_id;
    tracing::error!(request_id, message, "a request's handler panicked");
    Problem::internal().into_response()
}

/// Answers 504 when the caller's deadline passes, or has passed.
async fn within_deadline(request: Request, next: Next) -> Response {
    match Context::current().remaining() {
        None => next.run(request).await,
        Some(left) => within(left, next.run(request)).await,
    }
}

async fn within(left: Duration, answer: impl Future<Output = Response>) -> Response {
    let late = || {
        let detail = "the request's deadline has passed";
        Problem::new(StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded", detail).into_response()
    };
    if left.is_zero() {
        return late();
    }
    tokio::time::timeout(left, answer)
        .await
        .unwrap_or_else(|_| late())
}

/// Refuses a body that announces more than the limit, and cuts one that grows past it.
async fn limited(request: Request, next: Next) -> Response {
    if request.body().size_hint().lower() > BODY_BYTES_MAX as u64 {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    next.run(request.map(|body| Body::new(Limited::new(body, BODY_BYTES_MAX))))
        .await
}

/// Turns an error without a document into a problem: what routing refuses has no body, and what
/// axum finds too large has a line of plain text. Other headers, such as `Allow`, stay.
async fn explain(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let is_bare = !response.headers().contains_key(header::CONTENT_TYPE)
        && response.body().size_hint().exact() == Some(0);
    let is_too_large = status == StatusCode::PAYLOAD_TOO_LARGE && !is_problem(response.headers());
    if !is_error || !(is_bare || is_too_large) {
        return response;
    }
    let (mut head, _) = response.into_parts();
    let (explained, body) = problem_for(status).into_response().into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.extend(explained.headers);
    Response::from_parts(head, body)
}

fn is_problem(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value == problem::CONTENT_TYPE)
}

fn problem_for(status: StatusCode) -> Problem {
    match status {
        StatusCode::BAD_REQUEST => Problem::bad_request("the request can't be understood"),
        StatusCode::UNAUTHORIZED => Problem::unauthorized("the request says not who is asking"),
        StatusCode::FORBIDDEN => Problem::forbidden("this is not allowed"),
        StatusCode::NOT_FOUND => Problem::not_found("nothing is served at this address"),
        StatusCode::CONFLICT => Problem::conflict("this does not fit the present state"),
        StatusCode::SERVICE_UNAVAILABLE => Problem::unavailable("not now; try again later"),
        StatusCode::METHOD_NOT_ALLOWED => {
            let detail = "this address does not take this method";
            Problem::new(status, "method_not_allowed", detail)
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = format!("the body is larger than the {BODY_BYTES_MAX} bytes allowed");
            Problem::new(status, "body_too_large", detail)
        }
        StatusCode::INTERNAL_SERVER_ERROR => Problem::internal(),
        _ => Problem::new(status, "refused", "the request was refused"),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    /// What is logged in this thread while the guard lives.
    fn log() -> (Log, tracing::subscriber::DefaultGuard) {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn request(target: &str) -> Request {
        Request::builder()
            .uri(target)
            .header("authorization", "Bearer secret-token")
            .header("cookie", "session=secret-cookie")
            .header("x-request-id", "abc-1")
            .body(Body::empty())
            .unwrap()
    }

    fn routes() -> Router {
        async fn defect() -> &'static str {
            panic!("a defect")
        }
        wrap(
            Router::new()
                .route("/hello", get(|| async { "hello" }))
                .route("/panic", get(defect))
                .route("/hang", get(std::future::pending::<()>)),
        )
    }

    #[tokio::test]
    async fn the_log_line_names_the_request_and_holds_no_secret() {
        let (log, _guard) = log();
        let response = routes()
            .oneshot(request("/hello?q=secret-query"))
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        let line = log.text();
        for part in ["GET", "/hello", "status=200", "ms=", "abc-1", "trace_id="] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(!line.contains("secret"), "{line}");
    }

    #[tokio::test]
    async fn a_request_that_its_caller_gives_up_is_logged_too() {
        let (log, _guard) = log();
        let hanging = routes().oneshot(request("/hang"));
        assert!(
            tokio::time::timeout(Duration::from_millis(20), hanging)
                .await
                .is_err()
        );
        assert!(
            log.text().contains("given up by its caller"),
            "{}",
            log.text()
        );
    }

    #[tokio::test]
    async fn a_panic_is_logged_with_its_request_and_its_message() {
        let (log, _guard) = log();
        let response = routes().oneshot(request("/panic")).await.unwrap();
        assert_eq!(response.status(), 500);
        let text = log.text();
        assert!(
            text.contains("a defect") && text.contains("status=500"),
            "{text}"
        );
        assert_eq!(text.matches("abc-1").count(), 2, "{text}");
    }
}
