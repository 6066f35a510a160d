//! `/login`: where the login form goes.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::domain::grant::SESSION_LIFETIME_S;
use crate::domain::throttle::RetryAfter;
use crate::http::answers::{self, PageError, see_other};
use crate::http::authorize::{issue_code, understand};
use crate::http::{own_origin, pages, session_cookie};
use crate::opaque::{Hash, random_secret};
use crate::provider::{LoginRefused, Provider};
use crate::store::Session;

/// Somebody typed the address, or went back to it.
pub(super) async fn without_request() -> PageError {
    PageError::bad_request("There is nothing to sign in to yet. Start from the application.")
}

pub(super) async fn submit(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, PageError> {
    own_origin::require(&provider.issuer, &headers)?;
    let parameters = answers::form(&headers, &body)?;
    let request = understand(&provider, &parameters).await?;
    let name = parameters.get("username").unwrap_or_default();
    let password = parameters.get("password").unwrap_or_default();
    let user = match provider.log_in(name, password) {
        Ok(user) => user,
        Err(refused) => {
            let form = pages::LoginForm {
                provider: &provider,
                parameters: &parameters,
                redirect_uri: &request.answer_to.redirect_uri,
                name,
                error: Some(&message(refused)),
            };
            return Ok(refuse(&form, refused));
        }
    };
    let now = provider.clock.now();
    // A new cookie at every login: one that was planted before is worth nothing.
    let cookie = random_secret();
    let session = Session {
        sid: uuid::Uuid::new_v4().to_string(),
        sub: user.sub.clone(),
        auth_time: now,
        expires_at: now.saturating_add(SESSION_LIFETIME_S),
    };
    provider
        .store
        .add_session(Hash::of(&cookie), &session, now)
        .await?;
    tracing::info!(
        sub = session.sub,
        client_id = request.client_id,
        "signed in"
    );
    let mut response = see_other(&issue_code(&provider, request, &session).await?);
    let set_cookie = session_cookie::set(&provider.issuer, &cookie);
    response
        .headers_mut()
        .insert(header::SET_COOKIE, set_cookie);
    Ok(response)
}

fn refuse(form: &pages::LoginForm<'_>, refused: LoginRefused) -> Response {
    match refused {
        LoginRefused::WrongNameOrPassword => form.page(StatusCode::FORBIDDEN).into_response(),
        LoginRefused::TooManyAttempts(RetryAfter(seconds)) => {
            let mut response = form.page(StatusCode::TOO_MANY_REQUESTS).into_response();
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
    }
}

fn message(refused: LoginRefused) -> String {
    match refused {
        LoginRefused::WrongNameOrPassword => {
            "That e-mail address and password do not belong together.".to_owned()
        }
        LoginRefused::TooManyAttempts(RetryAfter(seconds)) => {
            format!("Too many attempts for this account. Try again in {seconds} seconds.")
        }
    }
}
