//! Trailer fields on their way through.

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, EXPECT, HOST, MAX_FORWARDS, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName};

/// Fields that mean something only before the body (RFC 9110, section 6.5.1): whoever merges trailers
/// into headers would let a sender change routing, framing or identity after the fact.
const NEVER: [HeaderName; 15] = [
    AUTHORIZATION,
    CACHE_CONTROL,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    EXPECT,
    HOST,
    MAX_FORWARDS,
    SET_COOKIE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Drops what may not stand in trailers.
pub(crate) fn clean(trailers: &mut HeaderMap) {
    for name in NEVER {
        trailers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn routing_framing_and_identity_cannot_come_late() {
        let mut trailers = HeaderMap::new();
        for name in [
            "host",
            "content-length",
            "authorization",
            "grpc-status",
            "x-checksum",
        ] {
            trailers.insert(name, HeaderValue::from_static("0"));
        }
        clean(&mut trailers);
        let mut left: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["grpc-status", "x-checksum"]);
    }
}
