//! `/web/login`, `/web/callback` and `/web/user`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use composition::{NoAnswer, Segment};
use problem::Problem;
use problem::extract::Query;
use serde::Deserialize;
use serde_json::json;

use crate::App;
use crate::pages;
use crate::session::cookie;
use crate::session::provider::{ProviderError, SignedIn};
use crate::session::random::{digest, secret};
use crate::session::store::{LOGIN_TIMEOUT, Login, Session};
use crate::session::tokens::Tokens;
use crate::visitor::Visitor;

/// Bytes of an address to come back to.
const RETURN_TO_BYTES_MAX: usize = 1024;

#[derive(Debug, Deserialize)]
pub(crate) struct LoginQuery {
    return_to: Option<String>,
}

/// `GET /web/login`: off to the provider.
pub(crate) async fn login(
    query: Result<Query<LoginQuery>, Problem>,
    headers: HeaderMap,
    State(app): State<App>,
) -> Result<Response, Problem> {
    let return_to = query?.0.return_to.filter(|path| is_local(path));
    let fresh = || secret().map_err(|_| Problem::internal());
    let (id, state, nonce, verifier) = (fresh()?, fresh()?, fresh()?, fresh()?);
    let challenge = digest(&verifier);
    let to_provider = app.provider.authorize_url(&state, &nonce, &challenge);
    let url = match to_provider.await {
        Ok(url) => url,
        Err(error) => {
            tracing::warn!(%error, "nobody can sign in");
            let text = "Signing in is not possible at the moment. Please try again in a minute.";
            return Ok(pages::message(
                StatusCode::BAD_GATEWAY,
                "Not available",
                text,
            ));
        }
    };
    let cookie = cookie::set_login(&state, id.clone(), LOGIN_TIMEOUT);
    let login = Login {
        state,
        nonce,
        verifier,
        return_to: return_to.unwrap_or_else(|| "/".to_owned()),
    };
    app.sessions.begin(&id, login);
    let surplus = cookie::clear_surplus_logins(&headers).into_iter();
    let cookies = surplus
        .chain(cookie)
        .map(|cookie| (header::SET_COOKIE, cookie));
    Ok((
        AppendHeaders(cookies.collect::<Vec<_>>()),
        NO_STORE,
        Redirect::to(&url),
    )
        .into_response())
}

const NO_STORE: [(header::HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];

/// An address on this site: nobody is sent elsewhere after signing in.
fn is_local(path: &str) -> bool {
    path.starts_with('/')
        && path.len() <= RETURN_TO_BYTES_MAX
        && !path.starts_with("//")
        && !path.contains('\\')
        && path.chars().all(|char| char.is_ascii_graphic())
}

#[derive(Debug, Deserialize)]
pub(crate) struct CallbackQuery {
    #[serde(default)]
    state: String,
    code: Option<String>,
    error: Option<String>,
    /// Who answers, by RFC 9207.
    iss: Option<String>,
}

/// `GET /web/callback`: back from the provider. The session's id is new, whatever the browser brought.
pub(crate) async fn callback(
    query: Result<Query<CallbackQuery>, Problem>,
    headers: HeaderMap,
    State(app): State<App>,
) -> Result<Response, Problem> {
    let query = query?.0;
    let mut response = match signed_in(&app, &query, &headers).await {
        Ok((signed_in, login)) => begin_session(&app, &headers, signed_in, &login)?,
        Err((status, reason)) => pages::message(status, "Not signed in", reason),
    };
    // The attempt is over, whatever became of it.
    if let Some(clear) = cookie::clear_login(&query.state) {
        response.headers_mut().append(header::SET_COOKIE, clear);
    }
    Ok(response)
}

/// Who has signed in; or why nobody has, in words for people.
async fn signed_in(
    app: &App,
    query: &CallbackQuery,
    headers: &HeaderMap,
) -> Result<(SignedIn, Login), (StatusCode, &'static str)> {
    let elsewhere = "This sign-in was begun elsewhere, or too long ago. Please try again.";
    let failed = "The sign-in could not be completed. Please try again.";
    let login = cookie::login_id(headers, &query.state).and_then(|id| app.sessions.finish(&id));
    let login = login
        .filter(|login| login.state == query.state)
        .ok_or((StatusCode::BAD_REQUEST, elsewhere))?;
    let other_issuer = |iss: &String| iss.trim_end_matches('/') != app.provider.issuer();
    if query.iss.as_ref().is_some_and(other_issuer) {
        tracing::warn!("a sign-in was answered by another issuer");
        return Err((StatusCode::BAD_REQUEST, failed));
    }
    let (None, Some(code)) = (&query.error, &query.code) else {
        return Err((StatusCode::FORBIDDEN, "The sign-in was not completed."));
    };
    let exchanged = app
        .provider
        .exchange(code, &login.verifier, &login.nonce)
        .await;
    match exchanged {
        Ok(signed_in) => Ok((signed_in, login)),
        Err(error) => {
            tracing::warn!(%error, "sign-in failed");
            let status = match error {
                ProviderError::Refused(_) => StatusCode::FORBIDDEN,
                _ => StatusCode::BAD_GATEWAY,
            };
            Err((status, failed))
        }
    }
}

fn begin_session(
    app: &App,
    headers: &HeaderMap,
    signed_in: SignedIn,
    login: &Login,
) -> Result<Response, Problem> {
    let fresh = || secret().map_err(|_| Problem::internal());
    let (id, form_token) = (fresh()?, fresh()?);
    let claims = signed_in.claims;
    let user = Segment::of(&claims.sub).ok_or_else(|| {
        tracing::warn!("a subject that can't stand in an address");
        Problem::forbidden("this account can't be used here")
    })?;
    if let Some(before) = cookie::session_id(headers) {
        app.sessions.remove(&before);
    }
    let session = Session {
        user,
        name: claims.name.unwrap_or(claims.sub),
        form_token,
        id_token: signed_in.id_token,
        tokens: Arc::new(Tokens::new(signed_in.tokens)),
    };
    app.sessions.insert(&id, session);
    let cookies = AppendHeaders([(header::SET_COOKIE, cookie::set_session(id))]);
    Ok((cookies, NO_STORE, Redirect::to(&login.return_to)).into_response())
}

/// `GET /web/user`: who is signed in; 401 when nobody is.
pub(crate) async fn user(visitor: Visitor) -> Result<Response, NoAnswer> {
    let caller = visitor.known()?;
    let name = visitor.session.as_ref().map(|session| &session.name);
    let body = json!({ "sub": caller.user.text(), "name": name });
    Ok((NO_STORE, axum::Json(body)).into_response())
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
            ("/\t/evil.test", false),
            ("https://evil.test", false),
            ("orders", false),
            ("", false),
            ("/a\nb", false),
        ] {
            assert_eq!(is_local(path), local, "{path}");
        }
    }
}
