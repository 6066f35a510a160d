//! `Cache-Control` and its like, read as RFC 9111, section 5.2, and RFC 9213 have it.
//!
//! `http-cache-semantics` splits the field at every comma, quoted or not, and takes names as they are
//! spelled. So it is given what has been read here, spelled anew.

use std::fmt::Write as _;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Seconds that stand for any longer time (RFC 9111, section 1.2.2).
const SECONDS_MAX: u64 = 1 << 31;

/// Directives in the order of their coming; of those that are said twice, the first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Directives(Vec<(String, Option<String>)>);

impl Directives {
    pub(super) fn of(headers: &HeaderMap, name: &HeaderName) -> Self {
        let mut found = Self::default();
        for value in headers.get_all(name) {
            for part in parts(&String::from_utf8_lossy(value.as_bytes())) {
                found.add(&part);
            }
        }
        found
    }

    fn add(&mut self, part: &str) {
        let (name, value) = match part.split_once('=') {
            None => (part, None),
            // Blanks around `=` are no directive that anybody has to understand.
            Some((name, value)) => (name, Some(unquoted(value))),
        };
        let name = name.to_ascii_lowercase();
        let is_token = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if is_token && !self.has(&name) {
            self.0.push((name, value));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Whether the directive is there, without a value.
    pub(super) fn is_bare(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|(known, value)| known == name && value.is_none())
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    /// Says a number of seconds, whatever was said before.
    pub(super) fn set_seconds(&mut self, name: &str, time: Duration) {
        self.remove(name);
        let seconds = time.as_secs().to_string();
        self.0.push((name.to_owned(), Some(seconds)));
    }

    /// A time; `None` when the directive is absent, zero when it cannot be read.
    pub(super) fn seconds(&self, name: &str) -> Option<Duration> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        let seconds = value.as_deref().and_then(delta_seconds).unwrap_or(0);
        Some(Duration::from_secs(seconds))
    }

    /// The field as a simple reader understands it.
    pub(super) fn to_value(&self) -> HeaderValue {
        let mut text = String::new();
        for (name, value) in &self.0 {
            let comma = if text.is_empty() { "" } else { ", " };
            // Writing to a string does not fail.
            let _ = match value.as_deref().map(|value| (value, delta_seconds(value))) {
                None => write!(text, "{comma}{name}"),
                Some((_, Some(seconds))) => write!(text, "{comma}{name}={seconds}"),
                // Nothing that is understood takes anything but a number, and a number is no more than that.
                Some((_, None)) => write!(text, "{comma}{name}=x"),
            };
        }
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("no-store"))
    }
}

/// Digits alone; more than fits is as long as it gets.
pub(super) fn delta_seconds(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(SECONDS_MAX).min(SECONDS_MAX))
}

/// Splits a list at commas outside of quotes.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for char in text.chars() {
        match char {
            ',' if !quoted => {
                parts.push(String::new());
                continue;
            }
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = quoted && char == '\\' && !escaped;
        if let Some(part) = parts.last_mut() {
            part.push(char);
        }
    }
    parts
        .into_iter()
        .map(|part| part.trim().to_owned())
        .collect()
}

fn unquoted(value: &str) -> String {
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(value).to_owned()
}

#[cfg(test)]
mod tests {
    use http::header::CACHE_CONTROL;
    use proptest::prelude::*;

    use super::*;

    fn read(values: &[&str]) -> Directives {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CACHE_CONTROL, value.parse().expect("a value"));
        }
        Directives::of(&headers, &CACHE_CONTROL)
    }

    #[test]
    fn names_are_read_in_any_case_and_values_with_or_without_quotes() {
        let found = read(&["Max-Age=\"60\", NO-CACHE", "s-maxage=5"]);
        assert_eq!(found.seconds("max-age"), Some(Duration::from_secs(60)));
        assert_eq!(found.seconds("s-maxage"), Some(Duration::from_secs(5)));
        assert!(found.has("no-cache"));
        assert_eq!(found.to_value(), "max-age=60, no-cache, s-maxage=5");
    }

    #[test]
    fn what_stands_in_quotes_is_no_directive() {
        let found = read(&[r#"extension="a, max-age=3600, \" no-store", max-age=1"#]);
        assert_eq!(found.seconds("max-age"), Some(Duration::from_secs(1)));
        assert!(!found.has("no-store"));
    }

    #[test]
    fn a_time_that_cannot_be_read_is_none_at_all() {
        for wrong in [
            "max-age='60'",
            "max-age=-1",
            "max-age=1.5",
            "max-age",
            "max-age=6x",
        ] {
            assert_eq!(
                read(&[wrong]).seconds("max-age"),
                Some(Duration::ZERO),
                "{wrong}"
            );
        }
        let long = read(&["max-age=99999999999999999999999"]);
        assert_eq!(
            long.seconds("max-age"),
            Some(Duration::from_secs(SECONDS_MAX))
        );
        assert_eq!(read(&["max-age = 60"]).seconds("max-age"), None);
    }

    proptest! {
        #[test]
        fn what_is_spelled_anew_reads_the_same(text in "[a-z0-9=\", \\\\-]{0,60}") {
            let found = read(&[text.as_str()]);
            let again = read(&[found.to_value().to_str().expect("ASCII")]);
            for name in ["max-age", "s-maxage"] {
                prop_assert_eq!(found.seconds(name), again.seconds(name));
            }
            for (name, _) in &found.0 {
                prop_assert!(again.has(name), "{} in {:?}", name, again);
            }
        }
    }
}
