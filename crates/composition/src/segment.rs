//! Text that stands in an address.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Bytes of the text before it is encoded.
const BYTES_MAX: usize = 2048;

/// RFC 3986's unreserved characters are all that stays as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// One segment of a path, or one value of a query; written percent-encoded.
///
/// ```
/// use composition::Segment;
/// let segment = Segment::of("auth0|7 a").unwrap();
/// assert_eq!(format!("customers/{segment}"), "customers/auth0%7C7%20a");
/// assert!(Segment::of("..").is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment(String);

impl Segment {
    /// `None` for what can't be one segment: nothing, `.` and `..`, which no encoding keeps from leading
    /// elsewhere, and text beyond 2 KiB.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let fits = (1..=BYTES_MAX).contains(&text.len()) && !matches!(text, "." | "..");
        fits.then(|| Self(text.to_owned()))
    }

    /// The text as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        utf8_percent_encode(&self.0, RESERVED).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_segment_leads_elsewhere() {
        for text in ["a/b", "../x", "a?b", "a#b", "%2e%2e", "a&b=c", "ü", "a b"] {
            let written = Segment::of(text).expect("text").to_string();
            assert!(!written.contains(['/', '?', '#', '&', ' ']), "{written}");
            let url = reqwest::Url::parse(&format!("http://h/x/{written}")).expect("a URL");
            assert_eq!(
                url.path_segments().expect("a path").count(),
                2,
                "{text} became {url}"
            );
        }
    }

    #[test]
    fn what_cannot_be_one_segment_is_none() {
        for text in ["", ".", "..", &"x".repeat(BYTES_MAX + 1)] {
            assert_eq!(Segment::of(text), None, "{text}");
        }
    }
}
