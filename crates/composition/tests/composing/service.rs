//! Services that behave and misbehave, and what the client gets.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use chassis::Client;
use composition::{Composition, Fetched, Part, Policy};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A part's timeout, short enough that tests with a hanging service are quick.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

/// Serves on a free port until the test ends.
pub(crate) async fn serve(routes: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    url
}

/// One service with an address for each way to behave.
pub(crate) async fn service() -> String {
    let status = |code: u16| get(move || async move { StatusCode::from_u16(code).unwrap() });
    let routes = Router::new()
        .route("/ok", get(|| async { axum::Json(json!({ "id": 1 })) }))
        .route("/null", get(|| async { axum::Json(Value::Null) }))
        .route("/hangs", get(std::future::pending::<()>))
        .route("/stalls", get(stalls))
        .route("/garbage", get(|| async { "<html>" }))
        .route("/endless", get(endless))
        .route("/largest", get(|| async { text_of(1024 * 1024) }))
        .route("/larger", get(|| async { text_of(1024 * 1024 + 1) }))
        .route(
            "/own-404",
            get(|| async { problem::Problem::not_found("order 7 does not exist") }),
        )
        .route(
            "/own-409",
            get(|| async { problem::Problem::conflict("order 7 is shipped") }),
        )
        .route(
            "/redirects",
            get(|| async { (StatusCode::FOUND, [(header::LOCATION, "/ok")]) }),
        );
    let routes = [400, 401, 403, 404, 409, 429, 500, 502, 503, 504]
        .into_iter()
        .fold(routes, |routes, code| {
            routes.route(&format!("/{code}"), status(code))
        });
    serve(routes).await
}

/// Headers and the first half of a body, and then nothing.
async fn stalls() -> Response {
    let half = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{\"id\":"))]);
    Body::from_stream(half.chain(stream::pending())).into_response()
}

/// A service that closes the connection in the middle of its body.
pub(crate) async fn breaking() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // What is not read when the socket closes would reset the connection.
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":";
            let _ = stream.write_all(half).await;
        }
    });
    url
}

async fn endless() -> Response {
    let zeros = Bytes::from_static(&[b'0'; 64 * 1024]);
    let chunks = stream::repeat_with(move || Ok::<_, std::io::Error>(zeros.clone()));
    Body::from_stream(chunks).into_response()
}

/// A JSON text of so many bytes.
fn text_of(bytes: usize) -> String {
    format!("\"{}\"", "x".repeat(bytes - 2))
}

/// An address that nobody listens at.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// A part of an answer with two seconds' budget.
pub(crate) fn part(name: &'static str, policy: Policy<Value>) -> Part<Value> {
    Part::new(
        name,
        policy,
        composition::Budget::of_request(Duration::from_secs(2)),
    )
}

/// Fetches a part, as all tests here do.
pub(crate) async fn fetched(policy: Policy<Value>, url: &str) -> Fetched<Value> {
    let fetching = part("part", policy).fetch(Client::new().unwrap().get(url));
    tokio::time::timeout(PATIENCE, fetching)
        .await
        .expect("a part ends in time")
}

/// What goes to the client.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) caching: String,
    pub(crate) challenge: Option<String>,
    pub(crate) body: Value,
}

pub(crate) async fn answer(composition: Composition) -> Answer {
    let response = composition.finish().into_response();
    let header = |name| {
        response
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let (caching, challenge) = (
        header(header::CACHE_CONTROL),
        header(header::WWW_AUTHENTICATE),
    );
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .unwrap();
    Answer {
        status,
        caching: caching.unwrap_or_default(),
        challenge,
        body: serde_json::from_slice(&body).unwrap(),
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) {
        let got = (self.status, self.body["code"].as_str());
        assert_eq!(got, (status, Some(code)), "{}", self.body);
        assert_eq!(self.caching, "no-store");
    }
}
