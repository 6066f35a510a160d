//! The endpoints of signing in and out.

use std::time::Instant;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use problem::Problem;
use problem::extract::Query;
use serde::Deserialize;
use serde_json::json;

use crate::App;
use crate::pages;
use crate::session::random::{digest, secret};
use crate::session::store::{LOGIN_TIMEOUT, Login, Session};
use crate::session::{cookie, provider::ProviderError};
use crate::visitor::Visitor;

#[derive(Debug, Deserialize)]
pub(crate) struct LoginQuery {
    return_to: Option<String>,
}

/// `GET /web/login`: off to the provider.
pub(crate) async fn login(
    Query(query): Query<LoginQuery>,
    State(app): State<App>,
) -> Result<Response, Problem> {
    let fresh = || secret().map_err(|_| Problem::internal());
    let (id, state, nonce, verifier) = (fresh()?, fresh()?, fresh()?, fresh()?);
    let url = app
        .provider
        .authorize_url(&state, &nonce, &digest(&verifier));
    let return_to = query
        .return_to
        .filter(|path| is_local(path))
        .unwrap_or_else(|| "/".to_owned());
    app.sessions.begin(
        &id,
        Login {
            state,
            nonce,
            verifier,
            return_to,
        },
    );
    let set = [(header::SET_COOKIE, cookie::set_login(id, LOGIN_TIMEOUT))];
    Ok((set, Redirect::to(&url)).into_response())
}

/// An address on this site: nobody is sent elsewhere after signing in.
fn is_local(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && !path.chars().any(char::is_control)
}

#[derive(Debug, Deserialize)]
pub(crate) struct CallbackQuery {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

/// `GET /web/callback`: back from the provider. The session's id is new, whatever the browser brought.
pub(crate) async fn callback(
    Query(query): Query<CallbackQuery>,
    headers: HeaderMap,
    State(app): State<App>,
) -> Response {
    let failed = |status, reason: &str| {
        let clear = [(header::SET_COOKIE, cookie::clear_login())];
        (clear, pages::message(status, "Not signed in", reason)).into_response()
    };
    let login = cookie::login_id(&headers).and_then(|id| app.sessions.finish(&id));
    let Some(login) = login.filter(|login| Some(&login.state) == query.state.as_ref()) else {
        let reason = "This sign-in was begun elsewhere, or too long ago. Please try again.";
        return failed(StatusCode::BAD_REQUEST, reason);
    };
    let Some(code) = query.code.filter(|_| query.error.is_none()) else {
        return failed(StatusCode::FORBIDDEN, "The sign-in was not completed.");
    };
    let tokens = match app
        .provider
        .exchange(&code, &login.verifier, &login.nonce)
        .await
    {
        Ok(tokens) => tokens,
        Err(error) => {
            tracing::warn!(%error, "sign-in failed");
            let status = match error {
                ProviderError::Refused => StatusCode::FORBIDDEN,
                _ => StatusCode::BAD_GATEWAY,
            };
            return failed(
                status,
                "The sign-in could not be completed. Please try again.",
            );
        }
    };
    let (Ok(id), Ok(form_token)) = (secret(), secret()) else {
        return Problem::internal().into_response();
    };
    app.sessions.insert(
        &id,
        Session {
            user: tokens.user,
            name: tokens.name,
            access_token: tokens.access_token,
            expires_at: Instant::now() + tokens.expires_in,
            form_token,
        },
    );
    let mut response = Redirect::to(&login.return_to).into_response();
    response
        .headers_mut()
        .append(header::SET_COOKIE, cookie::clear_login());
    response
        .headers_mut()
        .append(header::SET_COOKIE, cookie::set_session(id));
    response
}

/// `GET /web/user`: who is signed in; 401 when nobody is.
pub(crate) async fn user(visitor: Visitor) -> Response {
    let name = visitor.session.as_ref().map(|session| session.name.clone());
    match visitor.known() {
        Ok(caller) => {
            let body = json!({ "sub": caller.user, "name": name });
            ([(header::CACHE_CONTROL, "no-store")], axum::Json(body)).into_response()
        }
        Err(anonymous) => anonymous.into_response(),
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct LogoutForm {
    form_token: String,
}

/// `POST /web/logout`: only by our own form, from our own pages.
pub(crate) async fn logout(
    visitor: Visitor,
    headers: HeaderMap,
    State(app): State<App>,
    axum::Form(form): axum::Form<LogoutForm>,
) -> Response {
    let own_origin = headers
        .get(header::ORIGIN)
        .is_some_and(|origin| origin.as_bytes() == app.provider.own("").as_bytes());
    let own_form = visitor
        .session
        .as_ref()
        .is_some_and(|session| session.form_token == form.form_token);
    if !(own_origin && own_form) {
        return Problem::forbidden("this form is not ours").into_response();
    }
    if let Some(id) = cookie::session_id(&headers) {
        app.sessions.remove(&id);
    }
    (
        [(header::SET_COOKIE, cookie::clear_session())],
        Redirect::to("/"),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site_after_signing_in() {
        for (path, local) in [
            ("/", true),
            ("/orders?page=2", true),
            ("//evil.test", false),
            ("/\\evil.test", false),
            ("https://evil.test", false),
            ("orders", false),
            ("/a\nb", false),
        ] {
            assert_eq!(is_local(path), local, "{path}");
        }
    }
}
