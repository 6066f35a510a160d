//! The client's half, against the real provider.

use super::fixture::Fixture;
use crate::login::{DEFAULT_SCOPE, LoginError, LoginRequest, token_for};

async fn token(fixture: &Fixture, user: &str, scope: &str) -> Result<String, LoginError> {
    let identity = fixture.url("/");
    let request = LoginRequest {
        identity: &identity,
        user,
        scope,
    };
    token_for(&request).await.map(|tokens| tokens.scope)
}

#[tokio::test]
async fn a_command_line_gets_a_token_by_number_or_by_mail_address() {
    let fixture = Fixture::start().await;
    let granted = "customers:read customers:write openid orders:read orders:write profile";
    assert_eq!(token(&fixture, "1", DEFAULT_SCOPE).await.unwrap(), granted);
    let address = "hello@mill-lane.example";
    assert_eq!(
        token(&fixture, address, "orders:read").await.unwrap(),
        "orders:read"
    );
}

#[tokio::test]
async fn an_unknown_user_and_a_refused_scope_are_told_apart() {
    let fixture = Fixture::start().await;
    let error = token(&fixture, "99", DEFAULT_SCOPE).await.unwrap_err();
    assert!(error.to_string().contains("1 (Harbour Books)"), "{error}");
    let error = token(&fixture, "1", "nonsense").await.unwrap_err();
    assert!(error.to_string().contains("invalid_scope"), "{error}");
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_named_with_what_to_do() {
    // A port of the system's own, at which nobody listens.
    let identity = "http://127.0.0.1:1";
    let request = LoginRequest {
        identity,
        user: "1",
        scope: DEFAULT_SCOPE,
    };
    let error = token_for(&request).await.unwrap_err().to_string();
    assert!(
        error.contains(identity) && error.contains("shop run identity"),
        "{error}"
    );
    let request = LoginRequest {
        identity: "localhost:7003",
        user: "1",
        scope: DEFAULT_SCOPE,
    };
    let error = token_for(&request).await.unwrap_err();
    assert!(matches!(error, LoginError::InvalidUrl(_)), "{error}");
}
