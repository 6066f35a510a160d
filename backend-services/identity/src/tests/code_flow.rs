//! The authorization code flow with PKCE, done right and done wrong.

use jsonwebtoken::{Algorithm, DecodingKey, TokenData, Validation, decode, decode_header};
use reqwest::{StatusCode, header};
use serde_json::Value;

use super::fixture::{
    Fixture, ISSUER, Pairs, WEB_REDIRECT, assert_refused, challenge, cookie_of, in_redirect,
    location, redemption, status_and_body, text, web_request,
};

/// Verifies a token as a stranger would: with what `/jwks` serves.
async fn verify(fixture: &Fixture, token: &str, audience: &str) -> TokenData<Value> {
    let set: jsonwebtoken::jwk::JwkSet =
        serde_json::from_value(fixture.document("/jwks").await).unwrap();
    let kid = decode_header(token).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(set.find(&kid).expect("the key by its id")).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&[audience]);
    validation.set_issuer(&[ISSUER]);
    // The test's clock is not the system's.
    validation.validate_exp = false;
    decode(token, &key, &validation).unwrap()
}

#[tokio::test]
async fn a_person_signs_in_and_the_client_gets_tokens_that_the_key_set_verifies() {
    let fixture = Fixture::start().await;
    let challenge = challenge();
    let request = web_request(&challenge);

    let page = fixture.get("/authorize", &request).await;
    assert_eq!(page.status(), StatusCode::OK);
    let answer = fixture.log_in(&request).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert!(location(&answer).as_str().starts_with(WEB_REDIRECT));
    assert_eq!(in_redirect(&answer, "state").unwrap(), "the-state");
    assert_eq!(in_redirect(&answer, "iss").unwrap(), ISSUER);

    let code = in_redirect(&answer, "code").unwrap();
    let (status, tokens) = status_and_body(fixture.post("/token", &redemption(&code)).await).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 900);
    assert_eq!(tokens["scope"], "offline_access openid orders:read profile");

    let access = verify(&fixture, text(&tokens, "access_token"), "shop").await;
    assert_eq!(access.header.typ.as_deref(), Some("at+jwt"));
    assert_eq!(access.claims["sub"], "1");
    assert_eq!(access.claims["client_id"], "bff-web");
    assert_eq!(access.claims["scope"], tokens["scope"]);
    assert_eq!(access.claims["iat"], fixture.now());
    assert_eq!(access.claims["exp"], fixture.now() + 900);
    assert!(access.claims["jti"].is_string());

    let id = verify(&fixture, text(&tokens, "id_token"), "bff-web").await;
    assert_eq!(id.claims["sub"], "1");
    assert_eq!(id.claims["nonce"], "the-nonce");
    assert_eq!(id.claims["name"], "Harbour Books");
    assert!(id.claims["sid"].is_string() && id.claims["at_hash"].is_string());
}

#[tokio::test]
async fn a_wrong_verifier_is_refused_and_spends_the_code() {
    let fixture = Fixture::start().await;
    let challenge = challenge();
    let code = fixture.code_for(&web_request(&challenge)).await;
    let mut wrong = redemption(&code);
    wrong.insert(
        "code_verifier",
        "another-verifier-that-is-long-enough-to-be-well-formed",
    );
    let (status, body) = status_and_body(fixture.post("/token", &wrong).await).await;
    assert_refused(status, &body, "invalid_grant");
    let (status, body) = status_and_body(fixture.post("/token", &redemption(&code)).await).await;
    assert_refused(status, &body, "invalid_grant");
}

#[tokio::test]
async fn a_code_that_comes_twice_is_refused_and_revokes_what_it_brought() {
    let fixture = Fixture::start().await;
    let challenge = challenge();
    let code = fixture.code_for(&web_request(&challenge)).await;
    let tokens = fixture.post("/token", &redemption(&code)).await;
    let tokens: Value = tokens.json().await.unwrap();
    let (status, body) = status_and_body(fixture.post("/token", &redemption(&code)).await).await;
    assert_refused(status, &body, "invalid_grant");
    let refreshed = fixture.refresh(text(&tokens, "refresh_token")).await;
    let (status, body) = status_and_body(refreshed).await;
    assert_refused(status, &body, "invalid_grant");
}

#[tokio::test]
async fn of_two_redemptions_at_once_at_most_one_succeeds() {
    let fixture = Fixture::start().await;
    let challenge = challenge();
    let code = fixture.code_for(&web_request(&challenge)).await;
    let form = redemption(&code);
    let (a, b, c) = tokio::join!(
        fixture.post("/token", &form),
        fixture.post("/token", &form),
        fixture.post("/token", &form),
    );
    let succeeded = [a, b, c]
        .iter()
        .filter(|answer| answer.status() == StatusCode::OK)
        .count();
    assert_eq!(succeeded, 1);
}

#[tokio::test]
async fn a_code_expires_after_a_minute() {
    let fixture = Fixture::start().await;
    let challenge = challenge();
    let code = fixture.code_for(&web_request(&challenge)).await;
    fixture.pass_time(60);
    let (status, body) = status_and_body(fixture.post("/token", &redemption(&code)).await).await;
    assert_refused(status, &body, "invalid_grant");
    assert!(text(&body, "error_description").contains("expired"));
}

#[tokio::test]
async fn a_redirect_uri_that_differs_is_refused_at_both_ends() {
    let fixture = Fixture::start().await;
    let challenge = challenge();
    let mut request = web_request(&challenge);
    request.insert("redirect_uri", "https://localhost:8443/web/callback/");
    for answer in [
        fixture.get("/authorize", &request).await,
        fixture.log_in(&request).await,
    ] {
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert!(
            answer.headers().get(header::LOCATION).is_none(),
            "the browser stays"
        );
    }
    let code = fixture.code_for(&web_request(&challenge)).await;
    let mut form = redemption(&code);
    form.insert("redirect_uri", "https://localhost:8443/other");
    let (status, body) = status_and_body(fixture.post("/token", &form).await).await;
    assert_refused(status, &body, "invalid_grant");
}

#[tokio::test]
async fn a_code_of_one_client_is_worth_nothing_to_another() {
    let fixture = Fixture::start().await;
    let challenge = challenge();
    let code = fixture.code_for(&web_request(&challenge)).await;
    let mut form = redemption(&code);
    form.insert("client_id", "shop-app");
    form.remove("client_secret");
    let (status, body) = status_and_body(fixture.post("/token", &form).await).await;
    assert_refused(status, &body, "invalid_grant");
    let answer = fixture.post("/token", &redemption(&code)).await;
    assert_eq!(
        answer.status(),
        StatusCode::OK,
        "the attempt did not spend it"
    );
}

#[tokio::test]
async fn an_error_reaches_the_client_with_its_state() {
    let fixture = Fixture::start().await;
    let challenge = challenge();
    let mut request = web_request(&challenge);
    request.remove("code_challenge");
    let answer = fixture.get("/authorize", &request).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(in_redirect(&answer, "error").unwrap(), "invalid_request");
    assert_eq!(in_redirect(&answer, "state").unwrap(), "the-state");
    assert_eq!(in_redirect(&answer, "iss").unwrap(), ISSUER);
}

#[tokio::test]
async fn a_signed_in_browser_is_not_asked_again_unless_the_client_wants_it() {
    let fixture = Fixture::start().await;
    let challenge = challenge();
    let mut request = web_request(&challenge);
    let cookie = cookie_of(&fixture.log_in(&request).await);
    let status = async |request: &Pairs<'_>| {
        let url = fixture.url("/authorize");
        let asked = fixture
            .http
            .get(url)
            .query(request)
            .header(header::COOKIE, &cookie);
        let answer = asked.send().await.unwrap();
        (
            answer.status(),
            in_redirect_if_any(&answer, "code").is_some(),
        )
    };
    assert_eq!(status(&request).await, (StatusCode::SEE_OTHER, true));
    request.insert("prompt", "login");
    assert_eq!(status(&request).await, (StatusCode::OK, false));
    request.insert("prompt", "none");
    request.insert("max_age", "10");
    fixture.pass_time(5);
    assert_eq!(status(&request).await, (StatusCode::SEE_OTHER, true));
    fixture.pass_time(5);
    assert_eq!(
        status(&request).await,
        (StatusCode::SEE_OTHER, false),
        "login_required"
    );
    request.remove("max_age");
    request.remove("prompt");
    fixture.pass_time(8 * 60 * 60);
    assert_eq!(
        status(&request).await,
        (StatusCode::OK, false),
        "the session has ended"
    );
}

fn in_redirect_if_any(answer: &reqwest::Response, name: &str) -> Option<String> {
    answer.headers().get(header::LOCATION)?;
    in_redirect(answer, name)
}

#[tokio::test]
async fn without_offline_access_there_is_no_refresh_token_and_without_openid_no_id_token() {
    let fixture = Fixture::start().await;
    let tokens = fixture.tokens("orders:read").await;
    assert!(tokens["access_token"].is_string());
    assert!(tokens.get("refresh_token").is_none() && tokens.get("id_token").is_none());
}

#[tokio::test]
async fn userinfo_tells_the_bearer_who_it_speaks_for() {
    let fixture = Fixture::start().await;
    let ask = async |token: &str| {
        let asked = fixture
            .http
            .get(fixture.url("/userinfo"))
            .bearer_auth(token);
        asked.send().await.unwrap()
    };
    let tokens = fixture.tokens("openid profile").await;
    let info: Value = ask(text(&tokens, "access_token"))
        .await
        .json()
        .await
        .unwrap();
    let expected = serde_json::json!({
        "sub": "1", "name": "Harbour Books", "preferred_username": "orders@harbour-books.example",
    });
    assert_eq!(info, expected);

    let refused = ask(text(&tokens, "id_token")).await;
    assert_eq!(
        refused.status(),
        StatusCode::UNAUTHORIZED,
        "an ID token is no access token"
    );
    let challenge = refused.headers()[header::WWW_AUTHENTICATE]
        .to_str()
        .unwrap();
    assert!(challenge.contains("invalid_token"), "{challenge}");
    fixture.pass_time(900);
    assert_eq!(
        ask(text(&tokens, "access_token")).await.status(),
        StatusCode::UNAUTHORIZED
    );
    let other = fixture.tokens("orders:read").await;
    assert_eq!(
        ask(text(&other, "access_token")).await.status(),
        StatusCode::FORBIDDEN
    );
    let nobody = fixture.get("/userinfo", &Pairs::new()).await;
    assert_eq!(nobody.headers()[header::WWW_AUTHENTICATE], "Bearer");
}

#[tokio::test]
async fn a_restart_keeps_codes_and_tokens_valid() {
    let fixture = Fixture::start().await;
    let challenge = challenge();
    let tokens = fixture.tokens("openid").await;
    let code = fixture.code_for(&web_request(&challenge)).await;
    let fixture = fixture.restart().await;
    verify(&fixture, text(&tokens, "access_token"), "shop").await;
    assert_eq!(
        fixture.post("/token", &redemption(&code)).await.status(),
        StatusCode::OK
    );
}
