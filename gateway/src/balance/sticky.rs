//! A cookie that brings a client back to its endpoint.
//!
//! It names the endpoint by a hash, so that no address gets out, and by nothing else, so that every
//! gateway understands it and a restart forgets nobody.

use aws_lc_rs::hmac;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use route_table::table::StickyCookie;

use crate::balance::endpoint::EndpointKey;
use crate::edge::cookies;

/// Digits of a value.
const DIGITS: usize = 16;

/// What the cookie calls an endpoint. Without a secret the key is known, and whoever guesses an address
/// can make sure of it.
pub(super) fn name(cookie: &StickyCookie, upstream: &str, endpoint: &EndpointKey) -> u64 {
    let secret = cookie.secret.as_ref();
    let secret = secret.map_or(&b"banyan sticky cookie"[..], |secret| {
        secret.expose().as_bytes()
    });
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let mut context = hmac::Context::with_key(&key);
    // Names of upstreams have no line breaks.
    for part in [upstream, "\n", &endpoint.identity()] {
        context.update(part.as_bytes());
    }
    let tag = context.sign();
    let first = tag.as_ref().first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(first)
}

/// The endpoint that a client's cookie of this name means, if it has one that can be ours.
pub(crate) fn read(headers: &HeaderMap, cookie: &str) -> Option<u64> {
    let mut fields = headers.get_all(COOKIE).iter();
    let value = fields.find_map(|field| cookies::find(field.as_bytes(), cookie))?;
    if value.len() != DIGITS || !value.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(value).ok()?, 16).ok()
}

/// The `Set-Cookie` by which a client is tied to an endpoint; `https` is how the client has come.
pub(crate) fn set_cookie(cookie: &StickyCookie, endpoint: u64, https: bool) -> Option<HeaderValue> {
    let name = &cookie.name;
    let max_age = match cookie.ttl {
        Some(ttl) => format!("; Max-Age={}", ttl.as_secs().max(1)),
        None => String::new(),
    };
    let secure = if https { "; Secure" } else { "" };
    let text =
        format!("{name}={endpoint:0DIGITS$x}; Path=/; HttpOnly; SameSite=Lax{max_age}{secure}");
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn cookie(extra: &str) -> StickyCookie {
        let text = format!(
            "version: 1\nlisteners: [{{ bind: '127.0.0.1:0' }}]\n\
             upstreams: {{ a: {{ endpoints: ['http://127.0.0.1:1'], \
             sticky: {{ cookie: node{extra} }} }} }}\n\
             routes: [{{ match: {{ prefix: / }}, to: {{ upstream: a }} }}]\n"
        );
        let table = crate::routing::table_for_test(&text);
        table.upstreams[0].sticky.clone().expect("a cookie")
    }

    fn headers(fields: &[&'static str]) -> HeaderMap {
        let fields = fields.iter();
        fields
            .map(|field| (COOKIE, HeaderValue::from_static(field)))
            .collect()
    }

    #[test]
    fn endpoints_have_names_of_their_own_that_a_secret_changes() {
        let plain = cookie("");
        let keyed = cookie(", secret: 'a long random text'");
        let (one, other) = (
            EndpointKey::http("10.0.0.7", 1),
            EndpointKey::http("10.0.0.8", 1),
        );
        let names = [
            name(&plain, "a", &one),
            name(&plain, "a", &other),
            name(&plain, "b", &one),
            name(&keyed, "a", &one),
        ];
        let distinct: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), 4);
        assert_eq!(name(&plain, "a", &one), names[0], "restarts change nothing");
    }

    #[test]
    fn what_is_set_is_read_again() {
        let set = set_cookie(&cookie(""), 0x2a, false).expect("a value");
        assert_eq!(set, "node=000000000000002a; Path=/; HttpOnly; SameSite=Lax");
        let sent = headers(&["a=1; node=000000000000002a", "b=2"]);
        assert_eq!(read(&sent, "node"), Some(0x2a));
    }

    #[test]
    fn over_https_it_is_secure_and_a_ttl_is_its_age() {
        let mut cookie = cookie("");
        cookie.ttl = Some(Duration::from_secs(3600));
        let set = set_cookie(&cookie, 1, true).expect("a value");
        let text = set.to_str().expect("ASCII");
        assert!(text.ends_with("; Max-Age=3600; Secure"), "{text}");
    }

    #[test]
    fn what_cannot_be_ours_names_nobody() {
        for value in [
            "node=",
            "node=zz",
            "node=2a",
            "node=+00000000000002a",
            "nod=1",
        ] {
            assert_eq!(read(&headers(&[value]), "node"), None, "{value}");
        }
    }

    #[test]
    fn upstreams_do_not_see_it() {
        let mut sent = headers(&["a=1; node=1; b=2", "node=2", "c=3"]);
        cookies::strip(&mut sent, "node");
        let left: Vec<_> = sent.get_all(COOKIE).iter().collect();
        assert_eq!(left, ["a=1; b=2", "c=3"]);
        let mut only = headers(&["node=1"]);
        cookies::strip(&mut only, "node");
        assert!(only.is_empty());
    }
}
