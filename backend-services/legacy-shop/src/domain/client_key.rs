//! A client's own key for an order, by which a repeated request is known.
//!
//! The old clients send none, and what they send twice is ordered twice. Clients that do send one
//! get the order that the key has led to; the key with another request is refused.

use jiff::SignedDuration;

use super::Request;

/// The longest key, in bytes; a UUID has 36.
const KEY_BYTES_MAX: usize = 200;

/// Who asks, by which key, for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientKey {
    pub(crate) caller: String,
    pub(crate) key: String,
    /// The request as we understood it: spaces and the order of members are no difference.
    pub(crate) request: String,
}

/// Says what is wrong with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key must be 1 to {KEY_BYTES_MAX} visible ASCII characters")]
pub(crate) struct KeyError;

impl ClientKey {
    /// How long a key is remembered.
    pub(crate) const RETENTION: SignedDuration = SignedDuration::from_hours(24);

    /// Reads a key. Some clients put it in double quotes: it is the same key.
    pub(crate) fn new(caller: String, key: &[u8], request: &Request) -> Result<Self, KeyError> {
        let key = std::str::from_utf8(key).map_err(|_| KeyError)?.trim();
        let key = key
            .strip_prefix('"')
            .and_then(|key| key.strip_suffix('"'))
            .unwrap_or(key);
        let fits = (1..=KEY_BYTES_MAX).contains(&key.len());
        if !fits || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(KeyError);
        }
        let request = serde_json::to_string(request)
            .expect("a request is numbers and text, which JSON holds");
        Ok(Self {
            caller,
            key: key.to_owned(),
            request,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str) -> Result<String, KeyError> {
        let request = Request {
            customer_id: 1,
            lines: Vec::new(),
        };
        ClientKey::new(String::new(), key.as_bytes(), &request).map(|found| found.key)
    }

    #[test]
    fn a_key_in_quotes_is_the_same_key_and_odd_keys_are_refused() {
        assert_eq!(key("\"abc\""), key("abc"));
        for odd in ["", "\"\"", "a b", "schlüssel", &"k".repeat(201)] {
            assert_eq!(key(odd), Err(KeyError), "{odd}");
        }
    }
}
