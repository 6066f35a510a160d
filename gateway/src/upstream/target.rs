//! The request target that an upstream gets.

use std::borrow::Cow;

use http::Uri;
use http::uri::PathAndQuery;

use crate::canonical::CanonicalPath;

/// Origin form (RFC 9112, section 3.2.1) of the canonical path, without `strip_prefix`, with the
/// client's query as it came. `None` when that is no valid target.
pub(crate) fn request_target(
    uri: &Uri,
    path: &CanonicalPath<'_>,
    strip_prefix: Option<&str>,
) -> Option<Uri> {
    let stripped = strip_prefix.and_then(|prefix| strip(path.as_str(), prefix));
    if stripped.is_none() && !path.is_rewritten() {
        // The common case copies nothing: the client's own bytes are shared.
        let mut parts = http::uri::Parts::default();
        parts.path_and_query = uri.path_and_query().cloned();
        return Uri::from_parts(parts).ok();
    }
    let path = stripped.unwrap_or(Cow::Borrowed(path.as_str()));
    let text = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.into_owned(),
    };
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(bytes::Bytes::from(text)).ok()?);
    Uri::from_parts(parts).ok()
}

/// Takes whole segments off the front; `None` when the path does not begin with them.
fn strip<'p>(path: &'p str, prefix: &str) -> Option<Cow<'p, str>> {
    match path.strip_prefix(prefix)? {
        "" => Some(Cow::Borrowed("/")),
        rest if rest.starts_with('/') => Some(Cow::Borrowed(rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::canonicalize;

    #[track_caller]
    fn target(uri: &str, prefix: Option<&str>) -> String {
        let uri: Uri = uri.parse().expect("a URI");
        let path = canonicalize(uri.path()).expect("a canonical path");
        request_target(&uri, &path, prefix)
            .expect("a target")
            .to_string()
    }

    #[test]
    fn scheme_and_authority_are_left_behind() {
        assert_eq!(target("https://shop.test/a/b?c=d", None), "/a/b?c=d");
    }

    #[test]
    fn whole_segments_are_stripped() {
        assert_eq!(target("/api/orders?x=1", Some("/api")), "/orders?x=1");
        assert_eq!(target("/api", Some("/api")), "/");
        assert_eq!(target("/apis/orders", Some("/api")), "/apis/orders");
    }

    #[test]
    fn the_upstream_sees_the_canonical_path() {
        assert_eq!(target("/api/%6Frders?q=%6F", Some("/api")), "/orders?q=%6F");
    }
}
