//! Signing out.

use reqwest::{Response, StatusCode, header};
use serde_json::Value;

use super::fixture::{
    Fixture, Pairs, assert_refused, challenge, cookie_of, in_redirect, location, redemption,
    status_and_body, text, web_request,
};

struct SignedIn {
    cookie: String,
    tokens: Value,
}

async fn sign_in(fixture: &Fixture) -> SignedIn {
    let challenge = challenge();
    let answer = fixture.log_in(&web_request(&challenge)).await;
    let code = in_redirect(&answer, "code").unwrap();
    let tokens = fixture
        .post("/token", &redemption(&code))
        .await
        .json()
        .await
        .unwrap();
    SignedIn {
        cookie: cookie_of(&answer),
        tokens,
    }
}

async fn end_session(fixture: &Fixture, cookie: &str, query: &Pairs<'_>) -> Response {
    let asked = fixture
        .http
        .get(fixture.url("/end-session"))
        .header(header::COOKIE, cookie);
    asked.query(query).send().await.unwrap()
}

async fn is_signed_in(fixture: &Fixture, cookie: &str) -> bool {
    let challenge = challenge();
    let asked = fixture
        .http
        .get(fixture.url("/authorize"))
        .header(header::COOKIE, cookie);
    let answer = asked.query(&web_request(&challenge)).send().await.unwrap();
    answer.status() == StatusCode::SEE_OTHER
}

#[tokio::test]
async fn a_client_that_shows_the_id_token_signs_out_and_gets_the_browser_back() {
    let fixture = Fixture::start().await;
    let person = sign_in(&fixture).await;
    assert!(is_signed_in(&fixture, &person.cookie).await);
    let query = Pairs::from([
        ("id_token_hint", text(&person.tokens, "id_token")),
        ("post_logout_redirect_uri", "https://localhost:8443/"),
        ("state", "bye"),
    ]);
    fixture.pass_time(3_600);
    let answer = end_session(&fixture, &person.cookie, &query).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(
        location(&answer).as_str(),
        "https://localhost:8443/?state=bye"
    );
    assert!(cookie_of(&answer).ends_with('='), "the cookie is cleared");
    assert!(!is_signed_in(&fixture, &person.cookie).await);
    let refreshed = fixture.refresh(text(&person.tokens, "refresh_token")).await;
    let (status, body) = status_and_body(refreshed).await;
    assert_refused(status, &body, "invalid_grant");
}

#[tokio::test]
async fn without_a_hint_the_person_is_asked_first() {
    let fixture = Fixture::start().await;
    let person = sign_in(&fixture).await;
    let page = end_session(&fixture, &person.cookie, &Pairs::new()).await;
    assert_eq!(page.status(), StatusCode::OK);
    let page = page.text().await.unwrap();
    assert!(page.contains(r#"action="/identity/end-session""#) && page.contains("Harbour Books"));
    assert!(is_signed_in(&fixture, &person.cookie).await);

    let confirm = async |origin: &str| {
        let asked = fixture.http.post(fixture.url("/end-session"));
        let asked = asked
            .header(header::COOKIE, &person.cookie)
            .header(header::ORIGIN, origin);
        asked
            .form(&[("confirm", "yes")])
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(confirm("https://evil.example").await, StatusCode::FORBIDDEN);
    assert!(is_signed_in(&fixture, &person.cookie).await);
    assert_eq!(confirm("https://localhost:8443").await, StatusCode::OK);
    assert!(!is_signed_in(&fixture, &person.cookie).await);
}

#[tokio::test]
async fn a_hint_of_another_session_does_not_sign_this_browser_out_unasked() {
    let fixture = Fixture::start().await;
    let one = sign_in(&fixture).await;
    let other = sign_in(&fixture).await;
    let query = Pairs::from([("id_token_hint", text(&other.tokens, "id_token"))]);
    end_session(&fixture, &one.cookie, &query).await;
    assert!(is_signed_in(&fixture, &one.cookie).await);
}

#[tokio::test]
async fn the_browser_is_sent_only_where_the_client_registered() {
    let fixture = Fixture::start().await;
    let person = sign_in(&fixture).await;
    let id_token = text(&person.tokens, "id_token");
    for uri in [
        "https://evil.example/",
        "https://localhost:8443/other",
        "javascript:alert(1)",
    ] {
        let query = Pairs::from([
            ("id_token_hint", id_token),
            ("post_logout_redirect_uri", uri),
        ]);
        let answer = end_session(&fixture, &person.cookie, &query).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{uri}");
    }
    let unnamed = Pairs::from([("post_logout_redirect_uri", "https://localhost:8443/")]);
    let answer = end_session(&fixture, &person.cookie, &unnamed).await;
    assert_eq!(
        answer.status(),
        StatusCode::BAD_REQUEST,
        "no client is named"
    );
    let forged = Pairs::from([("id_token_hint", text(&person.tokens, "access_token"))]);
    let answer = end_session(&fixture, &person.cookie, &forged).await;
    assert_eq!(
        answer.status(),
        StatusCode::BAD_REQUEST,
        "an access token is no hint"
    );
    assert!(is_signed_in(&fixture, &person.cookie).await);
}
