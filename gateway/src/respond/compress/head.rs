//! Which answers are compressed, and what their headers say then.

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body::Body as _;
use route_table::table::{Compression, Encoding};

use crate::edge::streaming;
use crate::respond::{ResponseBody, vary};

/// Digests of bytes that the client does not get (RFC 9530, RFC 3230, RFC 1864).
const DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// Bytes of the answer's body, or of the one that `GET` would have been given; `None`: nobody knows.
pub(super) fn length(headers: &HeaderMap, body: &ResponseBody, method: &Method) -> Option<u64> {
    if *method == Method::HEAD {
        let announced = headers.get(CONTENT_LENGTH)?;
        announced.to_str().ok()?.parse().ok()
    } else {
        body.size_hint().exact()
    }
}

/// Whether what the client gets depends on the codings that it likes; if so, caches are told.
pub(super) fn depends_on_encoding(
    rules: &Compression,
    status: StatusCode,
    headers: &mut HeaderMap,
    length: Option<u64>,
) -> bool {
    let depends = match status {
        // It need not say the type of the answer that it stands for.
        StatusCode::NOT_MODIFIED => takes_type(rules, headers).unwrap_or(true),
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT => false,
        status if status.is_informational() => false,
        _ => is_worth_it(rules, headers, length),
    };
    if depends {
        vary::add(headers, "Accept-Encoding");
    }
    depends
}

fn is_worth_it(rules: &Compression, headers: &HeaderMap, length: Option<u64>) -> bool {
    length.is_none_or(|length| length >= rules.min_bytes)
        && takes_type(rules, headers).unwrap_or(false)
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(CONTENT_RANGE)
        && !streaming::is_answered(headers)
        && !forbids_change(headers)
}

/// `None`: the answer does not say its type.
fn takes_type(rules: &Compression, headers: &HeaderMap) -> Option<bool> {
    let value = headers.get(CONTENT_TYPE)?;
    Some(value.to_str().is_ok_and(|text| rules.takes(text)))
}

/// `Cache-Control: no-transform`, which either side may say (RFC 9111, sections 5.2.1.6 and 5.2.2.6).
pub(super) fn forbids_change(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CACHE_CONTROL).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let mut directives = texts.flat_map(|text| text.split(',')).map(str::trim);
    directives.any(|directive| directive.eq_ignore_ascii_case("no-transform"))
}

/// Makes the headers those of the compressed answer.
pub(super) fn encoded(headers: &mut HeaderMap, status: StatusCode, encoding: Encoding) {
    // The bytes are others than those that the tag was given for, their meaning is the same.
    if let Some(tag) = headers.get(ETAG)
        && let Some(weak) = weakened(tag)
    {
        headers.insert(ETAG, weak);
    }
    if status == StatusCode::NOT_MODIFIED {
        return;
    }
    let coding = HeaderValue::from_static(encoding.as_str());
    headers.insert(CONTENT_ENCODING, coding);
    headers.remove(CONTENT_LENGTH);
    // Parts of the bytes as they are stored fit none of what the client gets.
    headers.remove(ACCEPT_RANGES);
    for digest in &DIGESTS {
        headers.remove(digest);
    }
}

/// `None`: it is weak already, or no tag at all.
fn weakened(tag: &HeaderValue) -> Option<HeaderValue> {
    let bytes = tag.as_bytes();
    bytes
        .starts_with(b"\"")
        .then(|| HeaderValue::from_bytes(&[b"W/", bytes].concat()).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::table_for_test;

    fn rules() -> Compression {
        let table = table_for_test(
            "version: 1\nlisteners: [{ bind: '127.0.0.1:0' }]\n\
             routes:\n- { match: { prefix: / }, to: { respond: {} }, compress: true }\n",
        );
        *table.routes[0].policy.compress.clone().expect("rules")
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        pairs.collect()
    }

    #[test]
    fn what_would_not_gain_or_must_not_change_stays_as_it_is() {
        let html = ("content-type", "text/html");
        for (status, pairs, length, depends) in [
            (200, &[html][..], Some(5_000), true),
            (200, &[html], None, true),
            (404, &[html], Some(5_000), true),
            (304, &[], Some(0), true),
            (304, &[("content-type", "image/png")], Some(0), false),
            (200, &[html], Some(1_023), false),
            (206, &[html], Some(5_000), false),
            (200, &[html, ("content-range", "bytes 0-9/10")], None, false),
            (204, &[html], None, false),
            (101, &[html], None, false),
            (200, &[], Some(5_000), false),
            (200, &[("content-type", "image/png")], Some(5_000), false),
            (200, &[("content-type", "text/event-stream")], None, false),
            (
                200,
                &[("content-type", "application/grpc+json")],
                None,
                false,
            ),
            (200, &[html, ("content-encoding", "br")], Some(5_000), false),
            (
                200,
                &[html, ("cache-control", "max-age=9, No-Transform")],
                None,
                false,
            ),
        ] {
            let mut headers = headers(pairs);
            let status = StatusCode::from_u16(status).unwrap();
            let found = depends_on_encoding(&rules(), status, &mut headers, length);
            assert_eq!(found, depends, "{status} {pairs:?} {length:?}");
            assert_eq!(headers.contains_key("vary"), depends);
        }
    }

    #[test]
    fn tags_become_weak_and_what_counts_bytes_goes() {
        let mut headers = headers(&[
            ("etag", "\"a\""),
            ("content-length", "5000"),
            ("accept-ranges", "bytes"),
            ("content-digest", "sha-256=:x:"),
            ("last-modified", "x"),
        ]);
        encoded(&mut headers, StatusCode::OK, Encoding::Brotli);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-encoding", "etag", "last-modified"]);
        assert_eq!(headers["etag"], "W/\"a\"");
        encoded(&mut headers, StatusCode::OK, Encoding::Brotli);
        assert_eq!(headers["etag"], "W/\"a\"", "once");
    }
}
