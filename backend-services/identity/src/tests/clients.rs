//! Client authentication and client credentials.

use reqwest::{StatusCode, header};
use serde_json::Value;

use super::fixture::{Fixture, Pairs, assert_refused, status_and_body, text, web_client};

#[tokio::test]
async fn a_confidential_client_gets_a_token_of_its_own() {
    let fixture = Fixture::start().await;
    let asked = fixture
        .http
        .post(fixture.url("/token"))
        .basic_auth("shop-cli", Some("shop-cli-dev-secret"))
        .form(&Pairs::from([
            ("grant_type", "client_credentials"),
            ("scope", "openid orders:read"),
        ]))
        .send();
    let (status, tokens) = status_and_body(asked.await.unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    assert_eq!(
        tokens["scope"], "orders:read",
        "there is no person, so no `openid`"
    );
    assert!(tokens.get("refresh_token").is_none() && tokens.get("id_token").is_none());
    let claims: jsonwebtoken::TokenData<Value> =
        jsonwebtoken::dangerous::insecure_decode(text(&tokens, "access_token")).unwrap();
    assert_eq!(claims.claims["sub"], "shop-cli");
    assert_eq!(claims.claims["client_id"], "shop-cli");
    assert!(claims.claims.get("auth_time").is_none());
}

#[tokio::test]
async fn a_client_that_does_not_prove_itself_gets_401_with_a_challenge() {
    let fixture = Fixture::start().await;
    let forms = [
        Pairs::from([("grant_type", "client_credentials")]),
        Pairs::from([
            ("grant_type", "client_credentials"),
            ("client_id", "nobody"),
        ]),
        Pairs::from([
            ("grant_type", "client_credentials"),
            ("client_id", "shop-cli"),
        ]),
        Pairs::from([
            ("grant_type", "client_credentials"),
            ("client_id", "shop-cli"),
            ("client_secret", "guess"),
        ]),
    ];
    for form in forms {
        let answer = fixture.post("/token", &form).await;
        assert!(answer.headers().contains_key(header::WWW_AUTHENTICATE));
        let (status, body) = status_and_body(answer).await;
        assert_refused(status, &body, "invalid_client");
    }
}

#[tokio::test]
async fn a_grant_that_is_not_the_clients_or_not_known_is_refused() {
    let fixture = Fixture::start().await;
    let public = Pairs::from([
        ("grant_type", "client_credentials"),
        ("client_id", "shop-app"),
    ]);
    let (status, body) = status_and_body(fixture.post("/token", &public).await).await;
    assert_refused(status, &body, "unauthorized_client");
    let (status, body) =
        status_and_body(fixture.post("/token", &web_client("password")).await).await;
    assert_refused(status, &body, "unsupported_grant_type");
    let mut no_scope = web_client("client_credentials");
    no_scope.insert("scope", "openid");
    let (status, body) = status_and_body(fixture.post("/token", &no_scope).await).await;
    assert_refused(status, &body, "invalid_scope");
}

#[tokio::test]
async fn a_token_request_that_is_no_form_is_refused() {
    let fixture = Fixture::start().await;
    let json = fixture
        .http
        .post(fixture.url("/token"))
        .json(&web_client("client_credentials"));
    let (status, body) = status_and_body(json.send().await.unwrap()).await;
    assert_refused(status, &body, "invalid_request");
    let twice = fixture
        .http
        .post(fixture.url("/token"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials&grant_type=password");
    let (status, body) = status_and_body(twice.send().await.unwrap()).await;
    assert_refused(status, &body, "invalid_request");
}
