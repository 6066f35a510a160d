//! What the browser holds.
//!
//! `__Host-` cookies are bound to this very host and to HTTPS. `Lax` lets the cookie come along on the
//! way back from the provider; `Strict` would sign people out there.

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::time::Duration;
use cookie::{Cookie, SameSite};

const SESSION: &str = "__Host-session";
const LOGIN: &str = "__Host-login";

/// The session's id, if the browser sent one.
pub(crate) fn session_id(headers: &HeaderMap) -> Option<String> {
    find(headers, SESSION)
}

/// The browser's half of a login attempt.
pub(super) fn login_id(headers: &HeaderMap) -> Option<String> {
    find(headers, LOGIN)
}

pub(super) fn set_session(id: String) -> HeaderValue {
    header_of(build(SESSION, id).build())
}

pub(super) fn set_login(id: String, lifetime: std::time::Duration) -> HeaderValue {
    let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(0);
    header_of(build(LOGIN, id).max_age(Duration::seconds(seconds)).build())
}

pub(super) fn clear_session() -> HeaderValue {
    header_of(
        build(SESSION, String::new())
            .max_age(Duration::ZERO)
            .build(),
    )
}

pub(super) fn clear_login() -> HeaderValue {
    header_of(build(LOGIN, String::new()).max_age(Duration::ZERO).build())
}

fn build(name: &'static str, value: String) -> cookie::CookieBuilder<'static> {
    Cookie::build((name, value))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
}

fn header_of(cookie: Cookie<'_>) -> HeaderValue {
    HeaderValue::from_str(&cookie.to_string())
        .expect("names are ours and values are URL-safe base64")
}

fn find(headers: &HeaderMap, name: &str) -> Option<String> {
    let fields = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut cookies = fields.flat_map(Cookie::split_parse).filter_map(Result::ok);
    cookies
        .find(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned())
}
