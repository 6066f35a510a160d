//! Answers that are not passed on though the endpoint that gave them is well: a client can provoke one,
//! and must not have endpoints taken out by it.

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};

use crate::defaults::RESPONSE_HEADER_COUNT_MAX;

/// Why an answer cannot be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error(
        "an answer had more than {RESPONSE_HEADER_COUNT_MAX} header fields, or larger ones than are taken"
    )]
    TooLarge,
    /// HTTP/2 ends the stream and does not say which.
    #[error("an answer's head was malformed, or larger than is taken")]
    Head,
    #[error("an answer's Content-Length and Transfer-Encoding left its length open")]
    LengthUnclear,
}

/// Refuses a head with too many fields: of HTTP/2 only their bytes are bounded, of which tiny ones take
/// next to nothing. And one whose length two readers would not agree on; hyper lets it pass and takes
/// the fields along (RFC 9112, section 6.3).
///
/// # Errors
/// [`Unusable`].
pub(super) fn check(headers: &HeaderMap) -> Result<(), Unusable> {
    if headers.len() > RESPONSE_HEADER_COUNT_MAX {
        return Err(Unusable::TooLarge);
    }
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let (encoding, length) = (encodings.next(), lengths.next());
    let chunked = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    let number = |value: &HeaderValue| value.as_bytes().iter().all(u8::is_ascii_digit);
    let clear = encoding.is_none_or(|encoding| length.is_none() && chunked(encoding))
        && length.is_none_or(number)
        && encodings.next().is_none()
        && lengths.next().is_none();
    if clear {
        return Ok(());
    }
    Err(Unusable::LengthUnclear)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    #[test]
    fn an_answer_has_one_length() {
        let check = |fields: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, HeaderValue::from_static(value));
            }
            check(&headers)
        };
        let (length, encoding) = ("content-length", "transfer-encoding");
        for fields in [&[][..], &[(length, "3")], &[(encoding, "Chunked")]] {
            assert_eq!(check(fields), Ok(()), "{fields:?}");
        }
        for fields in [
            &[(length, "3"), (encoding, "chunked")][..],
            &[(encoding, "gzip, chunked")],
            &[(encoding, "chunked"), (encoding, "chunked")],
            &[(length, "3"), (length, "3")],
            &[(length, "3, 3")],
        ] {
            assert_eq!(check(fields), Err(Unusable::LengthUnclear), "{fields:?}");
        }
    }

    #[test]
    fn a_hundred_fields_are_taken_and_one_more_is_not() {
        let mut headers: HeaderMap = (0..RESPONSE_HEADER_COUNT_MAX)
            .map(|nth| format!("x-{nth}").parse::<HeaderName>().expect("a name"))
            .map(|name| (name, HeaderValue::from_static("1")))
            .collect();
        assert_eq!(check(&headers), Ok(()));
        headers.append("x-0", HeaderValue::from_static("2"));
        assert_eq!(check(&headers), Err(Unusable::TooLarge));
    }
}
