//! The id under which a request is found again in every log.

use http::{HeaderName, HeaderValue};

/// Carries the id to upstreams and back to the client.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken over from our own callers, in bytes.
const LEN_MAX: usize = 128;

/// Makes a new id: 128 random bits as 32 hexadecimal digits.
pub(crate) fn generate() -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let random = fastrand::u128(..).to_be_bytes();
    let mut text = [0_u8; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(random) {
        if let ([high, low], Some(h), Some(l)) = (
            pair,
            DIGITS.get(usize::from(byte >> 4)),
            DIGITS.get(usize::from(byte & 15)),
        ) {
            (*high, *low) = (*h, *l);
        }
    }
    HeaderValue::from_bytes(&text).expect("hexadecimal digits are a valid header value")
}

/// Takes over the id of a trusted caller, if it is one.
pub(crate) fn adopt(value: &HeaderValue) -> Option<HeaderValue> {
    let bytes = value.as_bytes();
    let fits = (1..=LEN_MAX).contains(&bytes.len())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte));
    fits.then(|| value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_32_hexadecimal_digits_and_differ() {
        let (one, two) = (generate(), generate());
        assert_eq!(one.len(), 32);
        assert!(one.as_bytes().iter().all(u8::is_ascii_hexdigit));
        assert_ne!(one, two);
    }

    #[test]
    fn an_id_that_could_forge_a_log_line_is_not_adopted() {
        for (id, adopted) in [
            ("a-b_c.1", true),
            ("a\"b", false),
            ("", false),
            ("a b", false),
        ] {
            let value = HeaderValue::from_str(id).expect("a header value");
            assert_eq!(adopt(&value).is_some(), adopted, "{id}");
        }
    }
}
