//! What people see.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Response, StatusCode, header};

use super::fixture::{Fixture, ISSUER, NAME, challenge, web_request};

async fn page(answer: Response) -> String {
    let policy = answer.headers()[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    answer.text().await.unwrap()
}

#[tokio::test]
async fn the_login_form_leads_below_the_issuers_path_and_tells_that_it_is_for_development() {
    let fixture = Fixture::start().await;
    let challenge = challenge();
    let answer = fixture.get("/authorize", &web_request(&challenge)).await;
    let policy = answer.headers()[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("form-action 'self' https://localhost:8443;"),
        "{policy}"
    );
    let page = page(answer).await;
    assert!(page.contains(r#"action="/identity/login""#), "{page}");
    assert!(page.contains("For development only"));
    assert!(page.contains("<code>demo</code>"));
    assert!(!page.contains("<script"));
}

#[tokio::test]
async fn the_policy_names_the_style_that_the_page_carries() {
    let fixture = Fixture::start().await;
    let answer = fixture.get("/login", &[].into()).await;
    let policy = answer.headers()[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap()
        .to_owned();
    let page = page(answer).await;
    let (_, rest) = page.split_once("<style>").unwrap();
    let (style, _) = rest.split_once("</style>").unwrap();
    let hash = digest::digest(&digest::SHA256, style.as_bytes());
    assert!(policy.contains(&STANDARD.encode(hash.as_ref())), "{policy}");
}

#[tokio::test]
async fn what_comes_from_the_request_is_escaped() {
    const ATTACK: &str = r#""><script>alert(1)</script>"#;
    let fixture = Fixture::start().await;
    let challenge = challenge();
    let mut request = web_request(&challenge);
    request.insert("state", ATTACK);
    request.insert("login_hint", ATTACK);
    let asked = page(fixture.get("/authorize", &request).await).await;
    request.insert("username", ATTACK);
    request.insert("password", ATTACK);
    let refused = page(fixture.post("/login", &request).await).await;
    let unknown = page(
        fixture
            .get("/authorize", &[("client_id", ATTACK)].into())
            .await,
    )
    .await;
    let twice = format!("/authorize?{0}=1&{0}=2", urlencoded(ATTACK));
    let twice = page(fixture.get(&twice, &[].into()).await).await;
    for page in [&asked, &refused, &unknown, &twice] {
        assert!(!page.contains("<script"), "{page}");
    }
    assert!(asked.contains("&quot;&gt;&lt;script&gt;"), "{asked}");
    assert!(twice.contains("&lt;script&gt;"), "{twice}");
}

fn urlencoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test]
async fn a_wrong_password_shows_the_form_again_with_the_name_and_without_the_password() {
    let fixture = Fixture::start().await;
    let challenge = challenge();
    let mut request = web_request(&challenge);
    request.extend([("username", NAME), ("password", "guess-work")]);
    let answer = fixture.post("/login", &request).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let page = page(answer).await;
    assert!(page.contains(r#"role="alert""#) && page.contains(NAME));
    assert!(!page.contains("guess-work"));
    assert!(
        page.contains(r#"name="code_challenge""#),
        "the form can be sent again"
    );
}

#[tokio::test]
async fn guessing_passwords_is_slowed_down_for_that_user_alone() {
    let fixture = Fixture::start().await;
    let challenge = challenge();
    let request = web_request(&challenge);
    let attempt = async |name, password| {
        let mut form = request.clone();
        form.extend([("username", name), ("password", password)]);
        fixture.post("/login", &form).await
    };
    for _ in 0..5 {
        assert_eq!(attempt(NAME, "guess").await.status(), StatusCode::FORBIDDEN);
    }
    let refused = attempt(NAME, "demo").await;
    assert_eq!(
        refused.status(),
        StatusCode::TOO_MANY_REQUESTS,
        "even with the right password"
    );
    assert_eq!(refused.headers()[header::RETRY_AFTER], "30");
    let other = attempt("hello@mill-lane.example", "demo").await;
    assert_eq!(other.status(), StatusCode::SEE_OTHER);
    fixture.pass_time(30);
    assert_eq!(attempt(NAME, "demo").await.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_login_form_of_another_site_is_refused() {
    let fixture = Fixture::start().await;
    let challenge = challenge();
    let mut form = web_request(&challenge);
    form.extend([("username", NAME), ("password", "demo")]);
    let status = async |origin: &str| {
        let asked = fixture
            .http
            .post(fixture.url("/login"))
            .header(header::ORIGIN, origin);
        asked.form(&form).send().await.unwrap().status()
    };
    assert_eq!(status("https://evil.example").await, StatusCode::FORBIDDEN);
    assert_eq!(
        status("https://localhost:8443").await,
        StatusCode::SEE_OTHER
    );
    assert!(ISSUER.starts_with("https://localhost:8443"));
}

#[tokio::test]
async fn the_session_cookie_is_for_this_provider_and_no_script() {
    let fixture = Fixture::start().await;
    let challenge = challenge();
    let answer = fixture.log_in(&web_request(&challenge)).await;
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Secure-identity="), "{cookie}");
    for attribute in [
        "Path=/identity",
        "Secure",
        "HttpOnly",
        "SameSite=Lax",
        "Max-Age=28800",
    ] {
        assert!(cookie.contains(attribute), "{attribute} in {cookie}");
    }
}

#[tokio::test]
async fn going_back_to_the_form_without_a_request_says_where_to_start() {
    let fixture = Fixture::start().await;
    let answer = fixture.get("/login", &[].into()).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(page(answer).await.contains("Start from the application"));
}
