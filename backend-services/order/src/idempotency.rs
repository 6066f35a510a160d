//! `Idempotency-Key`: a POST that may be sent again (draft-ietf-httpapi-idempotency-key-header).
//!
//! The key and a hash of the request are written together with the pending order, in one
//! transaction; the answer is written together with the order's final state. So there is never an
//! order without its key, nor an answer for an order that is not there.
//!
//! | the same key again with | answer |
//! |---|---|
//! | the same request, answered | the same answer |
//! | the same request, still running | 409 `request_in_progress` |
//! | another request | 422 `idempotency_key_reused` |
//!
//! Answers that are no decision (503: inventory did not answer) are not kept; the key is free again.
//! Keys belong to the user who sent them. Answers are kept for [`RETENTION`].

use jiff::SignedDuration;
use serde_json::to_vec;
use sha2::{Digest as _, Sha256};

use crate::domain::Request;

/// How long an answer is kept.
pub(crate) const RETENTION: SignedDuration = SignedDuration::from_hours(24);
/// The longest key, in bytes; a UUID has 36.
const KEY_BYTES_MAX: usize = 200;

/// A user's claim to be answered once: who asks, by which key, for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) caller: String,
    pub(crate) key: String,
    /// SHA-256 over the request as we understood it: spaces and the order of members are no
    /// difference.
    pub(crate) request_hash: [u8; 32],
}

/// An HTTP answer that can be given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The path of what was made.
    pub(crate) location: Option<String>,
    /// JSON: the order, or problem details if the status says failure.
    pub(crate) body: String,
}

/// Says what is wrong with an `Idempotency-Key`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("send an `Idempotency-Key` header, a fresh UUID for each new order")]
    Missing,
    #[error("`Idempotency-Key` must be 1 to {KEY_BYTES_MAX} visible ASCII characters")]
    Malformed,
}

impl Claim {
    /// Reads the header. The draft has the key in double quotes, most clients send it bare: both are
    /// the same key.
    pub(crate) fn new(
        caller: Option<&str>,
        key: Option<&[u8]>,
        request: &Request,
    ) -> Result<Self, KeyError> {
        let key = key.ok_or(KeyError::Missing)?;
        let key = std::str::from_utf8(key)
            .map_err(|_| KeyError::Malformed)?
            .trim();
        let key = key
            .strip_prefix('"')
            .and_then(|key| key.strip_suffix('"'))
            .unwrap_or(key);
        if key.is_empty() || key.len() > KEY_BYTES_MAX || !key.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(KeyError::Malformed);
        }
        let json = to_vec(request).expect("a request is numbers and text, which JSON holds");
        Ok(Self {
            caller: caller.unwrap_or_default().to_owned(),
            key: key.to_owned(),
            request_hash: Sha256::digest(json).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: &str) -> Request {
        serde_json::from_str(json).unwrap()
    }

    fn claim(key: &str) -> Result<Claim, KeyError> {
        let request = request(r#"{"customer_id":1,"lines":[{"sku":"A","quantity":1}]}"#);
        Claim::new(Some("1"), Some(key.as_bytes()), &request)
    }

    #[test]
    fn a_key_in_quotes_is_the_same_key() {
        assert_eq!(claim("\"abc\""), claim("abc"));
    }

    #[test]
    fn the_same_request_in_other_words_has_the_same_hash() {
        let one = request(r#"{"customer_id":1,"lines":[{"sku":"A","quantity":1}]}"#);
        let other = request(r#"{ "lines": [{"quantity": 1, "sku": "A"}], "customer_id": 1 }"#);
        let hash = |request| Claim::new(None, Some(b"k"), &request).unwrap().request_hash;
        assert_eq!(hash(one.clone()), hash(other));
        let more = Request {
            customer_id: 2,
            ..one.clone()
        };
        assert_ne!(hash(one), hash(more));
    }

    #[test]
    fn odd_keys_are_refused() {
        for key in ["", "\"\"", "a b", "schlüssel", &"k".repeat(201)] {
            assert_eq!(claim(key), Err(KeyError::Malformed), "{key}");
        }
    }
}
