//! Signing in at a provider that is not to be trusted, or not well.

use std::collections::HashMap;

use reqwest::Response;
use serde_json::{Value, json};
use url::Url;

use crate::bff::{Bff, ORIGIN};
use crate::browser::Browser;
use crate::provider::{Provider, claims};

/// Signs in with a code for an ID token with these claims, made from the attempt's nonce.
pub(crate) async fn sign_in_with(
    bff: &Bff,
    provider: &Provider,
    browser: &mut Browser,
    claims: impl FnOnce(&str) -> Value,
) -> Response {
    let authorize = browser.begin(bff, "%2Forders").await;
    let url = Url::parse(&authorize).unwrap();
    let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
    provider.grant("code-1", &query["code_challenge"], claims(&query["nonce"]));
    let callback = format!("{ORIGIN}/web/callback?code=code-1&state={}", query["state"]);
    browser.get(bff, &callback).await
}

async fn assert_nobody_signed_in(browser: &Browser, response: Response, status: u16, why: &str) {
    assert_eq!(response.status(), status, "{why}");
    let page = response.text().await.unwrap();
    assert!(page.contains("href=\"/\""), "{why}: there is a way back");
    assert!(
        browser.cookies().is_empty(),
        "{why}: {:?}",
        browser.cookies()
    );
}

#[tokio::test]
async fn an_id_token_that_is_for_somebody_else_or_over_signs_nobody_in() {
    let provider = Provider::start().await;
    let bff = Bff::with_provider(&provider.url).await;
    for (claim, value) in [
        ("iss", json!("https://evil.test")),
        ("aud", json!("another-client")),
        ("azp", json!("another-client")),
        ("nonce", json!("another-attempt")),
        ("nonce", json!(null)),
        ("exp", json!(1_000_000_000)),
        ("exp", json!(null)),
        ("sub", json!(null)),
    ] {
        let wrong = |nonce: &str| {
            let mut claims = claims(nonce);
            claims[claim] = value.clone();
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(claim);
            }
            claims
        };
        let mut browser = Browser::default();
        let response = sign_in_with(&bff, &provider, &mut browser, wrong).await;
        assert_nobody_signed_in(&browser, response, 502, &format!("{claim} {value}")).await;
    }
    let mut browser = Browser::default();
    let response = sign_in_with(&bff, &provider, &mut browser, claims).await;
    assert_eq!(response.status(), 303, "a good one signs in");
}

#[tokio::test]
async fn an_id_token_signed_by_somebody_else_signs_nobody_in() {
    let provider = Provider::start().await;
    let bff = Bff::with_provider(&provider.url).await;
    provider.sign_with_another_key();
    let mut browser = Browser::default();
    let response = sign_in_with(&bff, &provider, &mut browser, claims).await;
    assert_nobody_signed_in(&browser, response, 502, "another key").await;
}

#[tokio::test]
async fn a_provider_that_fails_signs_nobody_in_until_it_is_well() {
    let provider = Provider::start().await;
    let bff = Bff::with_provider(&provider.url).await;
    provider.fail(503);
    let mut browser = Browser::default();
    let response = sign_in_with(&bff, &provider, &mut browser, claims).await;
    assert_nobody_signed_in(&browser, response, 502, "it fails").await;
    provider.work_again();
    let response = sign_in_with(&bff, &provider, &mut browser, claims).await;
    assert_eq!(response.status(), 303);
}

#[tokio::test]
async fn nobody_is_sent_to_another_site_after_signing_in() {
    let provider = Provider::start().await;
    let bff = Bff::with_provider(&provider.url).await;
    for evil in [
        "https://evil.test/",
        "//evil.test",
        "/\\evil.test",
        "orders",
    ] {
        let mut browser = Browser::default();
        let return_to: String = url::form_urlencoded::byte_serialize(evil.as_bytes()).collect();
        let authorize = browser.begin(&bff, &return_to).await;
        let url = Url::parse(&authorize).unwrap();
        let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
        provider.grant("code-1", &query["code_challenge"], claims(&query["nonce"]));
        let callback = format!("{ORIGIN}/web/callback?code=code-1&state={}", query["state"]);
        let response = browser.get(&bff, &callback).await;
        assert_eq!(response.headers()["location"], "/", "{evil}");
    }
}
