//! `Vary`: which request headers an answer depends on, so that caches tell answers apart.

use http::header::VARY;
use http::{HeaderMap, HeaderValue};

/// Adds a name, unless it is said already.
pub(crate) fn add(headers: &mut HeaderMap, name: &'static str) {
    let says = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        let mut names = text.split(',').map(str::trim);
        names.any(|said| said == "*" || said.eq_ignore_ascii_case(name))
    };
    if !headers.get_all(VARY).iter().any(says) {
        headers.append(VARY, HeaderValue::from_static(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn added(said: &[&'static str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in said {
            headers.append(VARY, HeaderValue::from_static(value));
        }
        add(&mut headers, "Origin");
        let values = headers.get_all(VARY).iter();
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn a_name_is_said_once() {
        assert_eq!(added(&[]), ["Origin"]);
        assert_eq!(added(&["accept, origin"]), ["accept, origin"]);
        assert_eq!(added(&["accept", "Origin"]), ["accept", "Origin"]);
        assert_eq!(added(&["*"]), ["*"]);
        assert_eq!(added(&["X-Origin"]), ["X-Origin", "Origin"]);
    }
}
