//! Signing in and out, against the shop's own OpenID provider.

use std::collections::HashMap;

use reqwest::StatusCode;
use serde_json::Value;
use url::Url;

use crate::bff::{Bff, ISSUER, ORIGIN};
use crate::browser::{Browser, location};

const SESSION: &str = "__Host-session";

fn form_token(page: &str) -> Vec<(String, String)> {
    let (_, rest) = page.split_once("name=\"form_token\" value=\"").unwrap();
    let (token, _) = rest.split_once('"').unwrap();
    vec![("form_token".to_owned(), token.to_owned())]
}

#[tokio::test]
async fn a_person_signs_in_and_comes_back_to_the_page_they_wanted() {
    let bff = Bff::start().await;
    let mut browser = Browser::default();
    assert_eq!(browser.sign_in(&bff).await, "/orders");

    let home = browser.get(&bff, &format!("{ORIGIN}/web/home")).await;
    assert_eq!(home.status(), 200);
    let page = browser.get(&bff, &format!("{ORIGIN}/orders")).await;
    let page = page.text().await.unwrap();
    assert!(
        page.contains("Harbour Books") && page.contains("No. 1"),
        "{page}"
    );
    let user = browser.get(&bff, &format!("{ORIGIN}/web/user")).await;
    let user: Value = user.json().await.unwrap();
    assert_eq!(
        (&user["sub"], &user["name"]),
        (&"1".into(), &"Harbour Books".into())
    );
}

#[tokio::test]
async fn the_token_stays_on_the_server_and_the_cookie_stays_at_the_door() {
    let bff = Bff::start().await;
    let mut browser = Browser::default();
    browser.sign_in(&bff).await;
    browser.get(&bff, &format!("{ORIGIN}/web/home")).await;
    let asked = bff.shop.gateway.seen_at("/api/customers/1");
    let token = asked[0].headers["authorization"].to_str().unwrap();
    assert!(token.starts_with("Bearer ey"), "a JWT");
    for request in bff.shop.gateway.seen() {
        assert!(!request.headers.contains_key("cookie"), "{request:?}");
    }
    let held = browser.cookies();
    let of_ours: Vec<_> = held
        .keys()
        .filter(|name| name.starts_with("__Host-"))
        .collect();
    assert!(of_ours.contains(&&SESSION.to_owned()), "{held:?}");
    assert!(!held.values().any(|value| value.contains("ey")), "{held:?}");
    assert!(
        !held.keys().any(|name| name.contains("login-")),
        "the attempt is over"
    );
}

#[tokio::test]
async fn the_provider_is_asked_with_pkce_state_and_nonce() {
    let bff = Bff::start().await;
    let authorize = Browser::default().begin(&bff, "%2F").await;
    assert!(
        authorize.starts_with(&format!("{ISSUER}/authorize?")),
        "{authorize}"
    );
    let url = Url::parse(&authorize).unwrap();
    let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(query["redirect_uri"], format!("{ORIGIN}/web/callback"));
    for random in ["state", "nonce", "code_challenge"] {
        assert_eq!(query[random].len(), 43, "{random}");
    }
}

#[tokio::test]
async fn several_tabs_may_sign_in_at_once() {
    let bff = Bff::start().await;
    let mut browser = Browser::default();
    let mut attempts = Vec::new();
    for _ in 0..10 {
        attempts.push(browser.begin(&bff, "%2Forders").await);
    }
    for authorize in attempts {
        let callback = browser.fill_in(&bff, &authorize).await;
        let response = browser.get(&bff, &callback).await;
        assert_eq!(location(&response), "/orders");
    }
}

#[tokio::test]
async fn an_answer_to_another_browsers_attempt_is_refused() {
    let bff = Bff::start().await;
    let mut attacker = Browser::default();
    let authorize = attacker.begin(&bff, "%2F").await;
    let callback = attacker.fill_in(&bff, &authorize).await;
    let mut victim = Browser::default();
    let response = victim.get(&bff, &callback).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(!victim.cookies().contains_key(SESSION));
    // And once it is used, it is used up.
    assert_eq!(attacker.get(&bff, &callback).await.status(), 303);
    assert_eq!(attacker.get(&bff, &callback).await.status(), 400);
}

#[tokio::test]
async fn an_answer_of_another_issuer_or_without_a_code_signs_nobody_in() {
    let bff = Bff::start().await;
    for (with, instead, status) in [
        ("iss=", "iss=https%3A%2F%2Fevil.test&was=", 400),
        ("code=", "error=access_denied&was=", 403),
        ("code=", "code=x", 403),
    ] {
        let mut browser = Browser::default();
        let authorize = browser.begin(&bff, "%2F").await;
        let callback = browser.fill_in(&bff, &authorize).await;
        assert!(callback.contains(with), "{callback}");
        let response = browser.get(&bff, &callback.replace(with, instead)).await;
        assert_eq!(response.status(), status, "{instead}");
        assert!(!browser.cookies().contains_key(SESSION));
    }
}

#[tokio::test]
async fn a_session_gets_a_new_id_at_every_sign_in() {
    let bff = Bff::start().await;
    let mut browser = Browser::default();
    browser.sign_in(&bff).await;
    let before = browser.clone();
    browser.sign_in(&bff).await;
    assert_ne!(before.cookies()[SESSION], browser.cookies()[SESSION]);
    let user = format!("{ORIGIN}/web/user");
    assert_eq!(browser.get(&bff, &user).await.status(), 200);
    assert_eq!(before.clone().get(&bff, &user).await.status(), 401);
}

#[tokio::test]
async fn only_our_own_form_signs_out_here_and_at_the_provider() {
    let bff = Bff::start().await;
    let mut browser = Browser::default();
    browser.sign_in(&bff).await;
    let (logout, user) = (format!("{ORIGIN}/web/logout"), format!("{ORIGIN}/web/user"));
    let page = browser.get(&bff, &format!("{ORIGIN}/")).await;
    let form = form_token(&page.text().await.unwrap());

    let elsewhere = browser
        .post(&bff, &logout, "https://evil.test", &form)
        .await;
    assert_eq!(elsewhere.status(), 403);
    let guessed = vec![("form_token".to_owned(), "x".to_owned())];
    assert_eq!(
        browser.post(&bff, &logout, ORIGIN, &guessed).await.status(),
        403
    );
    assert_eq!(browser.post(&bff, &logout, ORIGIN, &[]).await.status(), 403);
    assert_eq!(browser.get(&bff, &user).await.status(), 200);

    let before = browser.clone();
    let response = browser.post(&bff, &logout, ORIGIN, &form).await;
    let end_session = location(&response);
    assert!(
        end_session.starts_with(&format!("{ISSUER}/end-session?")),
        "{end_session}"
    );
    let response = browser.get(&bff, &end_session).await;
    assert_eq!(location(&response), format!("{ORIGIN}/"));
    assert_eq!(browser.get(&bff, &user).await.status(), 401);
    assert_eq!(
        before.clone().get(&bff, &user).await.status(),
        401,
        "the id is dead"
    );
    let authorize = browser.begin(&bff, "%2F").await;
    let page = browser.get(&bff, &authorize).await;
    assert_eq!(
        page.status(),
        200,
        "the provider asks for the password again"
    );
}

#[tokio::test]
async fn while_the_provider_is_away_signing_in_says_so() {
    let mut bff = Bff::start().await;
    let (identity, _data) = bff.identity.take().unwrap();
    identity.shutdown().await;
    let response = bff.anonymous("/web/login").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("not possible at the moment")
    );
}
