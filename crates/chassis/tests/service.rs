//! What the chassis gives to every service, over real sockets.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test harness: what does not hold fails the test"
)]

use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use chassis::{Client, Context, Running, Service, Settings, Stopping};
use problem::Problem;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(20);
/// Shorter than any wait that must not be waited for.
const AT_ONCE: Duration = Duration::from_secs(3);

async fn start(routes: Router) -> Running {
    let folder = tempfile::tempdir().unwrap();
    Service::new("hello", routes)
        .start(&Settings::for_tests(folder.path()))
        .await
        .unwrap()
}

fn http() -> reqwest::Client {
    chassis::install_crypto();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(DEADLINE)
        .build()
        .unwrap()
}

fn routes() -> Router {
    Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/panic", get(defect))
        .route("/hang", get(std::future::pending::<()>))
        .route("/echo", post(|body: Bytes| async move { body }))
        .route(
            "/json",
            post(
                |problem::extract::Json(body): problem::extract::Json<Value>| async { Json(body) },
            ),
        )
        .route("/headers", get(headers))
        .route("/stream", get(wait_for_news))
}

async fn defect() -> &'static str {
    panic!("a defect")
}

async fn headers(headers: HeaderMap) -> Json<Value> {
    let pairs = headers.iter().map(|(name, value)| {
        (
            name.to_string(),
            Value::from(value.to_str().unwrap_or_default()),
        )
    });
    Json(Value::Object(pairs.collect()))
}

async fn wait_for_news(Extension(stopping): Extension<Stopping>) -> &'static str {
    stopping.begun().await;
    "no news"
}

async fn problem(response: reqwest::Response) -> (u16, String) {
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    (status, body["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_service_is_alive_and_ready() {
    let service = start(routes()).await;
    for path in ["/livez", "/readyz"] {
        let response = http()
            .get(format!("{}{path}", service.url()))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
    }
}

#[tokio::test]
async fn a_failed_check_makes_a_service_unready_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::new("hello", routes())
        .ready_when("database", || {
            Box::pin(async { Err("no answer from the disk".to_owned()) })
        })
        .ready_when("hung", || Box::pin(std::future::pending()))
        .start(&Settings::for_tests(folder.path()))
        .await
        .unwrap();
    let response = http()
        .get(format!("{}/readyz", service.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 503);
    let body: Value = response.json().await.unwrap();
    let checks = json!({ "database": "no answer from the disk", "hung": "no answer" });
    assert_eq!(body["checks"], checks);
    let response = http()
        .get(format!("{}/livez", service.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200, "alive all the same");
}

#[tokio::test]
async fn errors_are_problems() {
    let service = start(routes()).await;
    let client = http();
    let at = |path: &str| format!("{}{path}", service.url());
    let sent = client.get(at("/nowhere")).send().await.unwrap();
    assert_eq!(problem(sent).await, (404, "not_found".to_owned()));
    let sent = client.delete(at("/hello")).send().await.unwrap();
    assert_eq!(sent.headers()["allow"], "GET,HEAD");
    assert_eq!(problem(sent).await, (405, "method_not_allowed".to_owned()));
    let sent = client.get(at("/panic")).send().await.unwrap();
    assert_eq!(problem(sent).await, (500, "internal".to_owned()));
    let sent = client
        .post(at("/json"))
        .header("content-type", "application/json")
        .body("{");
    assert_eq!(
        problem(sent.send().await.unwrap()).await,
        (400, "bad_request".to_owned())
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_413_however_it_is_framed_and_read() {
    let service = start(routes()).await;
    let at = |path: &str| format!("{}{path}", service.url());
    let too_large = || vec![b' '; 1024 * 1024 + 1];
    let fits = http()
        .post(at("/echo"))
        .body(vec![b' '; 1024 * 1024])
        .send()
        .await
        .unwrap();
    assert_eq!(fits.status(), 200);
    for path in ["/echo", "/json"] {
        let announced = http()
            .post(at(path))
            .header("content-type", "application/json");
        let announced = announced.body(too_large()).send().await.unwrap();
        assert_eq!(
            problem(announced).await,
            (413, "body_too_large".to_owned()),
            "{path}"
        );
        assert_eq!(chunked(&service, path, &too_large()).await, 413, "{path}");
    }
}

/// Posts a body whose length is not announced, and returns the status.
async fn chunked(service: &Running, path: &str, body: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(service.addr).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n{:x}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The service may hang up once it has seen enough.
    let _ = stream.write_all(body).await;
    let _ = stream.write_all(b"\r\n0\r\n\r\n").await;
    let mut answer = [0; 12];
    tokio::time::timeout(DEADLINE, stream.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    std::str::from_utf8(&answer[9..]).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_services_own_fallback_and_its_own_errors_stand() {
    let own = Router::new()
        .route(
            "/gone",
            get(|| async { (StatusCode::GONE, "gone for good") }),
        )
        .route("/mine", get(|| async { Problem::conflict("mine") }))
        .fallback(|| async {
            (
                StatusCode::NOT_FOUND,
                axum::response::Html("<p>not here</p>"),
            )
        });
    let service = start(own).await;
    let at = |path: &str| http().get(format!("{}{path}", service.url())).send();
    let page = at("/nowhere").await.unwrap();
    assert_eq!(page.status(), 404);
    assert_eq!(page.text().await.unwrap(), "<p>not here</p>");
    assert_eq!(
        at("/gone").await.unwrap().text().await.unwrap(),
        "gone for good"
    );
    assert_eq!(
        problem(at("/mine").await.unwrap()).await,
        (409, "conflict".to_owned())
    );
}

#[tokio::test]
async fn a_passed_deadline_is_a_504() {
    let service = start(routes()).await;
    for left in ["0", "50"] {
        let request = http().get(format!("{}/hang", service.url()));
        let sent = request
            .header("x-request-deadline-ms", left)
            .send()
            .await
            .unwrap();
        assert_eq!(problem(sent).await, (504, "deadline_exceeded".to_owned()));
    }
}

#[tokio::test]
async fn the_callers_request_id_comes_back() {
    let service = start(routes()).await;
    let request = http().get(format!("{}/hello", service.url()));
    let response = request
        .header("x-request-id", "abc-1")
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["x-request-id"], "abc-1");
    let response = http()
        .get(format!("{}/hello", service.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(
        response.headers()["x-request-id"].len(),
        32,
        "one of our own"
    );
}

/// A service whose only route calls `url`.
async fn caller_of(url: String) -> Running {
    let client = Client::new().unwrap();
    let call = get(move || async move {
        match client.get(url).send().await {
            Ok(answer) => answer.text().await.unwrap(),
            Err(error) if error.is_timeout() => "timeout".to_owned(),
            Err(error) => panic!("{error}"),
        }
    });
    start(Router::new().route("/call", call)).await
}

#[tokio::test]
async fn trace_request_id_and_deadline_go_on_to_the_next_hop() {
    let callee = start(routes()).await;
    let caller = caller_of(format!("{}/headers", callee.url())).await;
    let response = http()
        .get(format!("{}/call", caller.url()))
        .header(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        .header("tracestate", "vendor=1")
        .header("x-request-id", "abc-1")
        .header("x-request-deadline-ms", "4000")
        .header("authorization", "Bearer secret")
        .send()
        .await
        .unwrap();
    let sent: Value = response.json().await.unwrap();
    let trace = sent["traceparent"].as_str().unwrap();
    assert!(
        trace.starts_with("00-0af7651916cd43dd8448eb211c80319c-"),
        "{trace}"
    );
    assert!(!trace.contains("b7ad6b7169203331"), "{trace}");
    assert_eq!(sent["tracestate"], "vendor=1");
    assert_eq!(sent["x-request-id"], "abc-1");
    let left: u64 = sent["x-request-deadline-ms"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=4000).contains(&left), "{left}");
    assert_eq!(
        sent["authorization"],
        Value::Null,
        "identity is passed on by who means to"
    );
}

#[tokio::test]
async fn a_call_never_waits_longer_than_the_request_it_serves() {
    let callee = start(routes()).await;
    let client = Client::new().unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_millis(100);
    let context = Context {
        deadline: Some(deadline),
        ..Context::current()
    };
    let started = Instant::now();
    let outcome = context
        .scope(async { client.get(format!("{}/hang", callee.url())).send().await })
        .await;
    // Whichever of the two ends sees the deadline first.
    assert!(outcome.map_or_else(|error| error.is_timeout(), |answer| answer.status() == 504));
    assert!(started.elapsed() < AT_ONCE);
}

#[tokio::test]
async fn http_2_is_spoken_without_tls() {
    let service = start(routes()).await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let response = client
        .get(format!("{}/hello", service.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    assert_eq!(response.text().await.unwrap(), "hello");
}

#[tokio::test]
async fn a_busy_port_is_one_clear_line() {
    let first = start(routes()).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        listen: first.addr,
        ..Settings::for_tests(folder.path())
    };
    let error = Service::new("hello", routes())
        .start(&settings)
        .await
        .unwrap_err();
    let line = format!("{error:#}");
    assert!(
        line.contains(&first.addr.to_string()) && !line.contains('\n'),
        "{line}"
    );
}

#[tokio::test]
async fn a_service_that_listens_everywhere_must_say_where_it_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        listen: "0.0.0.0:0".parse().unwrap(),
        registry: Some("http://127.0.0.1:1".to_owned()),
        ..Settings::for_tests(folder.path())
    };
    let error = Service::new("hello", routes())
        .start(&settings)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("--advertise"), "{error}");
    let settings = Settings {
        advertise: Some("host-a".to_owned()),
        ..settings
    };
    Service::new("hello", routes())
        .start(&settings)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_registry_url_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Some("registry:7000".to_owned());
    let settings = Settings {
        registry,
        ..Settings::for_tests(folder.path())
    };
    let error = Service::new("hello", routes())
        .start(&settings)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("registry:7000"), "{error}");
}

#[tokio::test]
async fn requests_in_flight_finish_before_the_end_and_new_ones_are_not_taken() {
    let (entered, mut inside) = mpsc::channel(1);
    let (release, mut released) = tokio::sync::watch::channel(false);
    let slow = get(move || async move {
        entered.send(()).await.unwrap();
        released.wait_for(|released| *released).await.unwrap();
        "done"
    });
    let service = start(Router::new().route("/slow", slow)).await;
    let addr = service.addr;
    let request = tokio::spawn(http().get(format!("{}/slow", service.url())).send());
    inside.recv().await.unwrap();
    let stopping = tokio::spawn(service.shutdown());
    tokio::time::timeout(DEADLINE, async {
        while TcpStream::connect(addr).await.is_ok() {}
    })
    .await
    .expect("the port closes");
    assert!(!stopping.is_finished(), "a request is in flight");
    release.send_replace(true);
    assert_eq!(
        request.await.unwrap().unwrap().text().await.unwrap(),
        "done"
    );
    stopping.await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_holds_nobody_up() {
    let service = start(routes()).await;
    let client = http();
    client
        .get(format!("{}/hello", service.url()))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let _silent = TcpStream::connect(service.addr).await.unwrap();
    let started = Instant::now();
    service.shutdown().await;
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
}

#[tokio::test]
async fn answers_that_wait_on_purpose_end_when_the_service_stops() {
    let service = start(routes()).await;
    let waiting = tokio::spawn(http().get(format!("{}/stream", service.url())).send());
    // Answered on another connection: by then the first has been taken too, or soon will be.
    http()
        .get(format!("{}/hello", service.url()))
        .send()
        .await
        .unwrap();
    let started = Instant::now();
    service.shutdown().await;
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
    drop(waiting);
}

#[tokio::test]
async fn dropping_a_service_ends_its_connections_at_once() {
    let (entered, mut inside) = mpsc::channel(1);
    let hang = get(move || async move {
        entered.send(()).await.unwrap();
        std::future::pending::<()>().await;
    });
    let service = start(Router::new().route("/hang", hang)).await;
    let request = tokio::spawn(http().get(format!("{}/hang", service.url())).send());
    inside.recv().await.unwrap();
    drop(service);
    assert!(
        tokio::time::timeout(AT_ONCE, request)
            .await
            .unwrap()
            .unwrap()
            .is_err()
    );
}
