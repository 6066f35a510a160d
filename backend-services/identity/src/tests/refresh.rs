//! Refresh tokens: rotation, reuse, and their end.

use reqwest::StatusCode;
use serde_json::Value;

use super::fixture::{Fixture, assert_refused, status_and_body, text, web_client};

const SCOPE: &str = "openid offline_access orders:read";

async fn refreshed(fixture: &Fixture, token: &str) -> Value {
    let (status, body) = status_and_body(fixture.refresh(token).await).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

#[tokio::test]
async fn a_refresh_brings_new_tokens_and_replaces_the_old_one() {
    let fixture = Fixture::start().await;
    let first = fixture.tokens(SCOPE).await;
    let second = refreshed(&fixture, text(&first, "refresh_token")).await;
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_ne!(first["access_token"], second["access_token"]);
    assert_eq!(first["scope"], second["scope"]);
    assert!(second["id_token"].is_string());
    let third = refreshed(&fixture, text(&second, "refresh_token")).await;
    assert_ne!(second["refresh_token"], third["refresh_token"]);
}

#[tokio::test]
async fn an_old_refresh_token_ends_the_whole_family() {
    let fixture = Fixture::start().await;
    let first = fixture.tokens(SCOPE).await;
    let second = refreshed(&fixture, text(&first, "refresh_token")).await;
    for token in [
        text(&first, "refresh_token"),
        text(&second, "refresh_token"),
    ] {
        let (status, body) = status_and_body(fixture.refresh(token).await).await;
        assert_refused(status, &body, "invalid_grant");
    }
    // Another sign-in of the same person is another family.
    let other = fixture.tokens(SCOPE).await;
    refreshed(&fixture, text(&other, "refresh_token")).await;
}

#[tokio::test]
async fn a_refresh_token_ends_after_a_day_of_rest_and_after_two_weeks_of_use() {
    let fixture = Fixture::start().await;
    let idle = fixture.tokens(SCOPE).await;
    fixture.pass_time(24 * 60 * 60);
    let (status, body) = status_and_body(fixture.refresh(text(&idle, "refresh_token")).await).await;
    assert_refused(status, &body, "invalid_grant");

    let mut tokens = fixture.tokens(SCOPE).await;
    for _ in 0..27 {
        fixture.pass_time(12 * 60 * 60);
        tokens = refreshed(&fixture, text(&tokens, "refresh_token")).await;
    }
    fixture.pass_time(12 * 60 * 60);
    let answer = fixture.refresh(text(&tokens, "refresh_token")).await;
    let (status, body) = status_and_body(answer).await;
    assert_refused(status, &body, "invalid_grant");
}

#[tokio::test]
async fn a_refresh_may_ask_for_less_and_not_for_more() {
    let fixture = Fixture::start().await;
    let tokens = fixture.tokens(SCOPE).await;
    let mut form = web_client("refresh_token");
    form.insert("refresh_token", text(&tokens, "refresh_token"));
    form.insert("scope", "orders:write");
    let (status, body) = status_and_body(fixture.post("/token", &form).await).await;
    assert_refused(status, &body, "invalid_scope");

    form.insert("scope", "orders:read");
    let narrowed: Value = fixture.post("/token", &form).await.json().await.unwrap();
    assert_eq!(narrowed["scope"], "orders:read");
    assert!(narrowed.get("id_token").is_none());
    let full = refreshed(&fixture, text(&narrowed, "refresh_token")).await;
    assert_eq!(
        full["scope"], tokens["scope"],
        "only that one access token was narrower"
    );
}

#[tokio::test]
async fn a_refresh_token_of_one_client_is_worth_nothing_to_another() {
    let fixture = Fixture::start().await;
    let tokens = fixture.tokens(SCOPE).await;
    let mut form = web_client("refresh_token");
    form.insert("refresh_token", text(&tokens, "refresh_token"));
    form.insert("client_id", "shop-app");
    form.remove("client_secret");
    let (status, body) = status_and_body(fixture.post("/token", &form).await).await;
    assert_refused(status, &body, "invalid_grant");
    refreshed(&fixture, text(&tokens, "refresh_token")).await;
}

#[tokio::test]
async fn what_was_never_a_refresh_token_is_refused() {
    let fixture = Fixture::start().await;
    for token in ["nonsense", "a.b", "."] {
        let (status, body) = status_and_body(fixture.refresh(token).await).await;
        assert_refused(status, &body, "invalid_grant");
    }
}
