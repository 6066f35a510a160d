//! Cookies of a request (RFC 6265, section 4.2.1), byte by byte: what the others hold is nobody's business,
//! valid or not.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// Joins several `Cookie` fields to one, as every reader but HTTP/2's expects it (RFC 9113, section
/// 8.2.3).
pub(crate) fn join_crumbs(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(COOKIE).iter();
    if crumbs.nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    let joined = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]));
    // Values joined by printable characters are a value.
    if let Ok(joined) = joined {
        headers.insert(COOKIE, joined);
    }
}

/// The value of a cookie.
pub(crate) fn find<'f>(field: &'f [u8], name: &str) -> Option<&'f [u8]> {
    pairs(field).find_map(|pair| value(pair, name))
}

/// The field without a cookie; `None` when it does not hold it. Empty when it held nothing else.
fn without(field: &[u8], name: &str) -> Option<Vec<u8>> {
    find(field, name)?;
    let others: Vec<_> = pairs(field)
        .filter(|pair| value(pair, name).is_none())
        .collect();
    Some(others.join(&b"; "[..]))
}

fn pairs(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    field
        .split(|byte| *byte == b';')
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty())
}

fn value<'p>(pair: &'p [u8], name: &str) -> Option<&'p [u8]> {
    pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

/// The values of all cookies of this name that are text.
pub(crate) fn values<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h str> {
    let fields = headers.get_all(COOKIE).iter();
    fields
        .flat_map(|field| pairs(field.as_bytes()))
        .filter_map(move |pair| std::str::from_utf8(value(pair, name)?).ok())
}

/// Takes all cookies of this name off a request.
pub(crate) fn strip(headers: &mut HeaderMap, name: &str) {
    let holds_it = |field: &HeaderValue| find(field.as_bytes(), name).is_some();
    if !headers.get_all(COOKIE).iter().any(holds_it) {
        return;
    }
    let left: Vec<_> = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|field| match without(field.as_bytes(), name) {
            None => Some(field.clone()),
            // A part of a valid value, or nothing.
            Some(rest) if rest.is_empty() => None,
            Some(rest) => HeaderValue::from_bytes(&rest).ok(),
        })
        .collect();
    headers.remove(COOKIE);
    for field in left {
        headers.append(COOKIE, field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crumbs_become_one_cookie_in_their_order() {
        let mut headers = HeaderMap::new();
        for crumb in ["a=1", "b=2", "c=3"] {
            headers.append(COOKIE, HeaderValue::from_static(crumb));
        }
        join_crumbs(&mut headers);
        let all: Vec<_> = headers.get_all(COOKIE).iter().collect();
        assert_eq!(all, ["a=1; b=2; c=3"]);
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let field = b"nodes=1; node=2;node=3";
        assert_eq!(find(field, "node"), Some(&b"2"[..]));
        assert_eq!(find(field, "nod"), None);
        assert_eq!(find(b"", "node"), None);
    }

    #[test]
    fn every_cookie_of_the_name_is_taken_out_and_the_others_stay_as_they_are() {
        let field = b"a=\"x y\"; node=1; caf\xe9=\xff;node=2; b";
        let left = without(field, "node").expect("it is there");
        assert_eq!(left, b"a=\"x y\"; caf\xe9=\xff; b");
        assert_eq!(without(b"node=1", "node"), Some(Vec::new()));
        assert_eq!(without(b"a=1", "node"), None);
    }
}
