//! What the browser holds.
//!
//! `__Host-` cookies are bound to this very host and to HTTPS. `Lax` lets the cookie come along on the
//! way back from the provider; `Strict` would sign people out there.
//!
//! Each login attempt has a cookie of its own, named by its `state`, so that several tabs may sign in at
//! once.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::{Cookie, CookieBuilder, SameSite};

const SESSION: &str = "__Host-session";
const LOGIN_PREFIX: &str = "__Host-login-";

/// Characters of the state that name an attempt's cookie.
const LOGIN_NAME_CHARS: usize = 12;

/// Login attempts that one browser may have under way.
const LOGINS_MAX: usize = 10;

/// The session's id, if the browser sent one.
pub(crate) fn session_id(headers: &HeaderMap) -> Option<String> {
    find(headers, SESSION)
}

/// The browser's half of the login attempt with this state.
pub(super) fn login_id(headers: &HeaderMap, state: &str) -> Option<String> {
    find(headers, &login_name(state)?)
}

pub(super) fn set_session(id: String) -> HeaderValue {
    header_of(build(SESSION.to_owned(), id))
}

pub(super) fn clear_session() -> HeaderValue {
    clear(SESSION.to_owned())
}

/// `None` when the state is none of ours.
pub(super) fn set_login(state: &str, id: String, lifetime: Duration) -> Option<HeaderValue> {
    let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    let cookie = build(login_name(state)?, id);
    Some(header_of(
        cookie.max_age(cookie::time::Duration::seconds(seconds)),
    ))
}

/// `None` when the state is none of ours.
pub(super) fn clear_login(state: &str) -> Option<HeaderValue> {
    login_name(state).map(clear)
}

/// Makes room for one more attempt in a browser that has too many under way.
pub(super) fn clear_surplus_logins(headers: &HeaderMap) -> Vec<HeaderValue> {
    let names = cookies(headers).map(|cookie| cookie.name().to_owned());
    let names: Vec<String> = names
        .filter(|name| name.starts_with(LOGIN_PREFIX))
        .collect();
    let surplus = (names.len() + 1).saturating_sub(LOGINS_MAX);
    // A name that we did not choose must not get into a header of ours.
    let ours = |name: &String| {
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    names
        .into_iter()
        .take(surplus)
        .filter(ours)
        .map(clear)
        .collect()
}

fn login_name(state: &str) -> Option<String> {
    let begin = state.get(..LOGIN_NAME_CHARS)?;
    let is_ours = begin
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    is_ours.then(|| format!("{LOGIN_PREFIX}{begin}"))
}

fn clear(name: String) -> HeaderValue {
    header_of(build(name, String::new()).max_age(cookie::time::Duration::ZERO))
}

fn build(name: String, value: String) -> CookieBuilder<'static> {
    Cookie::build((name, value))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
}

fn header_of(cookie: CookieBuilder<'_>) -> HeaderValue {
    let mut value = HeaderValue::from_str(&cookie.build().to_string())
        .expect("names and values are letters, digits, hyphens and underscores");
    value.set_sensitive(true);
    value
}

fn find(headers: &HeaderMap, name: &str) -> Option<String> {
    cookies(headers)
        .find(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned())
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = Cookie<'_>> {
    let fields = headers.get_all(header::COOKIE).iter();
    fields
        .filter_map(|value| value.to_str().ok())
        .flat_map(Cookie::split_parse)
        .filter_map(Result::ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &str = "abcdefghijklmnop";

    fn sent(cookies: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(cookies).unwrap())])
    }

    #[test]
    fn a_cookie_is_bound_to_this_host_and_kept_from_scripts() {
        let cookie = set_session("id".to_owned());
        let text = cookie.to_str().unwrap();
        assert!(text.starts_with("__Host-session=id"), "{text}");
        for attribute in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(text.contains(attribute), "{attribute}: {text}");
        }
        assert!(!text.contains("Domain"), "{text}");
    }

    #[test]
    fn each_attempt_has_a_cookie_of_its_own() {
        let headers =
            sent("__Host-login-abcdefghijkl=one; __Host-login-bbbbbbbbbbbb=two; __Host-session=s");
        assert_eq!(login_id(&headers, STATE).as_deref(), Some("one"));
        assert_eq!(
            login_id(&headers, "bbbbbbbbbbbbxyz").as_deref(),
            Some("two")
        );
        assert_eq!(session_id(&headers).as_deref(), Some("s"));
    }

    #[test]
    fn a_state_that_is_none_of_ours_names_no_cookie() {
        for state in ["", "short", "abcdef; Path=/x", "äöüäöüäöüäöü"] {
            assert_eq!(login_id(&sent("a=b"), state), None, "{state}");
            assert_eq!(clear_login(state), None, "{state}");
        }
    }

    #[test]
    fn the_eleventh_attempt_takes_the_place_of_another() {
        let cookies = |count: usize| -> String {
            (0..count)
                .map(|n| format!("__Host-login-{n}=x; "))
                .collect()
        };
        assert_eq!(clear_surplus_logins(&sent(&cookies(9))).len(), 0);
        assert_eq!(clear_surplus_logins(&sent(&cookies(10))).len(), 1);
        assert_eq!(clear_surplus_logins(&sent(&cookies(12))).len(), 3);
    }
}
