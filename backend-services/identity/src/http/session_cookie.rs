//! The cookie of a signed-in browser.
//!
//! It goes to this provider's path alone: the shop behind the same host has no use for it.
//! (`__Host-` would demand the path `/`.)

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::time::Duration;
use cookie::{Cookie, SameSite};

use crate::domain::grant::SESSION_LIFETIME_S;
use crate::issuer::Issuer;
use crate::opaque::Hash;

/// The hash of the session cookie that the browser sent.
pub(super) fn read(issuer: &Issuer, headers: &HeaderMap) -> Option<Hash> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| Cookie::split_parse(value.to_owned()))
        .filter_map(Result::ok)
        .find(|cookie| cookie.name() == name(issuer))
        .map(|cookie| Hash::of(cookie.value()))
}

/// `Set-Cookie` for a new session.
pub(super) fn set(issuer: &Issuer, secret: &str) -> HeaderValue {
    header_value(build(issuer, secret, Duration::seconds(SESSION_LIFETIME_S)))
}

/// `Set-Cookie` that makes the browser forget.
pub(super) fn clear(issuer: &Issuer) -> HeaderValue {
    header_value(build(issuer, "", Duration::ZERO))
}

fn build<'a>(issuer: &'a Issuer, secret: &'a str, max_age: Duration) -> Cookie<'a> {
    Cookie::build((name(issuer), secret))
        .path(issuer.cookie_path())
        .max_age(max_age)
        .secure(issuer.is_https())
        .http_only(true)
        // Lax: the browser comes from the client's site.
        .same_site(SameSite::Lax)
        .build()
}

/// Browsers take the prefix over TLS only.
fn name(issuer: &Issuer) -> &'static str {
    if issuer.is_https() {
        "__Secure-identity"
    } else {
        "identity"
    }
}

fn header_value(cookie: Cookie<'_>) -> HeaderValue {
    HeaderValue::from_str(&cookie.to_string())
        .expect("a cookie of base64url and a URL's path is visible ASCII")
}
