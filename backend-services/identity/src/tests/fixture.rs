//! A provider on a free port, and a client that walks the flows step by step.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chassis::{Running, Settings};
use reqwest::{Client, Response, StatusCode, header};
use serde_json::Value;
use tempfile::TempDir;
use url::Url;

use crate::clock::Clock;
use crate::domain::pkce::Challenge;
use crate::registrations::ClientOptions;
use crate::{Options, start_with};

pub(super) const ISSUER: &str = "https://localhost:8443/identity";
pub(super) const WEB_REDIRECT: &str = "https://localhost:8443/web/callback";
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const WEB_SECRET: &str = "bff-web-dev-secret";
pub(super) const NAME: &str = "orders@harbour-books.example";
const START: i64 = 1_800_000_000;

pub(super) type Pairs<'a> = BTreeMap<&'a str, &'a str>;

pub(super) struct Fixture {
    running: Running,
    pub(super) http: Client,
    now: Arc<AtomicI64>,
    folder: Arc<TempDir>,
}

impl Fixture {
    pub(super) async fn start() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self::start_in(folder, Arc::new(AtomicI64::new(START))).await
    }

    async fn start_in(folder: Arc<TempDir>, now: Arc<AtomicI64>) -> Self {
        let running = start_with(options(folder.path()), Clock::manual(Arc::clone(&now)));
        let running = running.await.unwrap();
        let http = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(std::time::Duration::from_secs(20))
            .build()
            .unwrap();
        Self {
            running,
            http,
            now,
            folder,
        }
    }

    /// Stops the provider and starts it again on the same files.
    pub(super) async fn restart(self) -> Self {
        self.running.shutdown().await;
        Self::start_in(self.folder, self.now).await
    }

    pub(super) fn pass_time(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(super) fn now(&self) -> i64 {
        self.now.load(Ordering::SeqCst)
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running.url())
    }

    pub(super) async fn get(&self, path: &str, query: &Pairs<'_>) -> Response {
        self.http
            .get(self.url(path))
            .query(query)
            .send()
            .await
            .unwrap()
    }

    pub(super) async fn post(&self, path: &str, form: &Pairs<'_>) -> Response {
        self.http
            .post(self.url(path))
            .form(form)
            .send()
            .await
            .unwrap()
    }

    pub(super) async fn document(&self, path: &str) -> Value {
        let answer = self.get(path, &Pairs::new()).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    /// Submits the login form of a request.
    pub(super) async fn log_in(&self, request: &Pairs<'_>) -> Response {
        let mut form = request.clone();
        form.extend([("username", NAME), ("password", "demo")]);
        self.post("/login", &form).await
    }

    /// Signs in and takes the code out of the redirect.
    pub(super) async fn code_for(&self, request: &Pairs<'_>) -> String {
        let answer = self.log_in(request).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        in_redirect(&answer, "code").expect("a code")
    }

    /// Walks the whole flow as `bff-web`.
    pub(super) async fn tokens(&self, scope: &str) -> Value {
        let challenge = challenge();
        let mut request = web_request(&challenge);
        request.insert("scope", scope);
        let code = self.code_for(&request).await;
        let answer = self.post("/token", &redemption(&code)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    pub(super) async fn refresh(&self, refresh_token: &str) -> Response {
        let mut form = web_client("refresh_token");
        form.insert("refresh_token", refresh_token);
        self.post("/token", &form).await
    }
}

fn options(data_dir: &Path) -> Options {
    Options {
        service: Settings::for_tests(data_dir),
        issuer: ISSUER.parse().unwrap(),
        audience: "shop".to_owned(),
        clients: ClientOptions {
            redirect_uris: vec![WEB_REDIRECT.to_owned()],
            bff_web_secret: WEB_SECRET.parse().unwrap(),
            shop_cli_secret: "shop-cli-dev-secret".parse().unwrap(),
        },
    }
}

pub(super) fn challenge() -> String {
    Challenge::of(VERIFIER).as_str().to_owned()
}

/// A good authorization request of `bff-web`.
pub(super) fn web_request(challenge: &str) -> Pairs<'_> {
    Pairs::from([
        ("response_type", "code"),
        ("client_id", "bff-web"),
        ("redirect_uri", WEB_REDIRECT),
        ("scope", "openid profile offline_access orders:read"),
        ("state", "the-state"),
        ("nonce", "the-nonce"),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
    ])
}

/// A token request of `bff-web`.
pub(super) fn web_client(grant_type: &str) -> Pairs<'_> {
    Pairs::from([
        ("grant_type", grant_type),
        ("client_id", "bff-web"),
        ("client_secret", WEB_SECRET),
    ])
}

/// A good redemption of a code of `bff-web`.
pub(super) fn redemption(code: &str) -> Pairs<'_> {
    let mut form = web_client("authorization_code");
    form.extend([
        ("redirect_uri", WEB_REDIRECT),
        ("code", code),
        ("code_verifier", VERIFIER),
    ]);
    form
}

pub(super) fn location(answer: &Response) -> Url {
    let location = answer.headers().get(header::LOCATION).expect("a Location");
    Url::parse(location.to_str().unwrap()).unwrap()
}

pub(super) fn in_redirect(answer: &Response, name: &str) -> Option<String> {
    let location = location(answer);
    location
        .query_pairs()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.into_owned())
}

/// The `name=value` of the cookie that an answer sets.
pub(super) fn cookie_of(answer: &Response) -> String {
    let cookie = answer
        .headers()
        .get(header::SET_COOKIE)
        .expect("a cookie")
        .to_str()
        .unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

pub(super) fn text<'a>(document: &'a Value, member: &str) -> &'a str {
    document[member]
        .as_str()
        .unwrap_or_else(|| panic!("{member} in {document}"))
}

/// Expects an error of the token endpoint, by its code.
#[track_caller]
pub(super) fn assert_refused(status: StatusCode, body: &Value, code: &str) {
    assert_eq!(body["error"], code, "{body}");
    let expected = if code == "invalid_client" { 401 } else { 400 };
    assert_eq!(status, expected);
}

pub(super) async fn status_and_body(answer: Response) -> (StatusCode, Value) {
    let status = answer.status();
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    (status, answer.json().await.unwrap())
}
