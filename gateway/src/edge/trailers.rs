//! What may come behind a body.
//!
//! A recipient may merge trailers into the headers. What is decided by headers must therefore not come
//! late: framing, routing, authentication, and all that we say of the client (RFC 9110, section 6.5.1).

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, COOKIE, EXPECT, FORWARDED, HOST, MAX_FORWARDS, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, RANGE, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName};

use crate::edge::look_alike::reads_alike;

/// Refused behind bodies of either direction.
const REFUSED: [HeaderName; 21] = [
    AUTHORIZATION,
    CACHE_CONTROL,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    COOKIE,
    EXPECT,
    FORWARDED,
    HOST,
    MAX_FORWARDS,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    RANGE,
    SET_COOKIE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    WWW_AUTHENTICATE,
];

/// Refused too, in every spelling.
const REFUSED_ALIKE: [&str; 11] = [
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "traceparent",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-deadline-ms",
    "x-request-id",
];

/// There are more trailers than headers may be.
#[derive(Debug, thiserror::Error)]
#[error("too many trailers")]
pub(crate) struct TooMany;

/// Removes every trailer that must not come late. There may be `count_max` of them: HTTP/2 bounds but
/// their bytes.
pub(crate) fn clean(trailers: &mut HeaderMap, count_max: usize) -> Result<(), TooMany> {
    if trailers.len() > count_max {
        return Err(TooMany);
    }
    let refused: Vec<HeaderName> = trailers
        .keys()
        .filter(|name| must_not_come_late(name))
        .cloned()
        .collect();
    for name in refused {
        trailers.remove(name);
    }
    Ok(())
}

fn must_not_come_late(name: &HeaderName) -> bool {
    REFUSED
        .iter()
        .map(HeaderName::as_str)
        .chain(REFUSED_ALIKE)
        .any(|refused| reads_alike(name.as_str(), refused))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_headers_decide_is_removed_and_the_rest_stays() {
        let mut trailers = HeaderMap::new();
        for name in [
            "host",
            "content_length",
            "x-forwarded-for",
            "x-checksum",
            "grpc-status",
        ] {
            trailers.append(name, HeaderValue::from_static("1"));
        }
        assert!(clean(&mut trailers, 4).is_err());
        clean(&mut trailers, 5).expect("not too many");
        let mut names: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["grpc-status", "x-checksum"]);
    }
}
