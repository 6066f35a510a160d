//! Makes an upstream's response head fit for the client.

use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use crate::edge::hop_by_hop;

/// What has to be put back because the upstream does not see its own public address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rewrites<'r> {
    /// The prefix that was taken off the path, `/api` for instance.
    pub(crate) prefix: Option<&'r str>,
    /// `host:port` of the endpoint that answered.
    pub(crate) authority: &'r str,
}

/// Takes hop-by-hop headers off and rewrites addresses to the edge's.
pub(crate) fn prepare(headers: &mut HeaderMap, rewrites: Rewrites<'_>) {
    hop_by_hop::strip_response(headers);
    if let Some(location) = headers
        .get(LOCATION)
        .and_then(|value| rewrites.location(value))
    {
        headers.insert(LOCATION, location);
    }
    if rewrites.prefix.is_some() && headers.contains_key(SET_COOKIE) {
        let cookies: Vec<_> = headers
            .get_all(SET_COOKIE)
            .iter()
            .map(|cookie| rewrites.cookie(cookie))
            .collect();
        headers.remove(SET_COOKIE);
        for cookie in cookies {
            headers.append(SET_COOKIE, cookie);
        }
    }
}

impl Rewrites<'_> {
    /// The client's view of a `Location`; `None` when it may stay as it is.
    fn location(&self, value: &HeaderValue) -> Option<HeaderValue> {
        let text = value.to_str().ok()?;
        let own = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"))
            .and_then(|rest| rest.strip_prefix(self.authority));
        let path = match own {
            // The authority must end here: `http://127.0.0.1:70011/` is somebody else.
            Some(rest) if rest.is_empty() || rest.starts_with(['/', '?', '#']) => rest,
            Some(_) => return None,
            None if text.starts_with('/') && !text.starts_with("//") => text,
            None => return None,
        };
        let path = if path.is_empty() { "/" } else { path };
        let public = self.public_path(path);
        if public == text {
            return None;
        }
        HeaderValue::from_str(&public).ok()
    }

    /// Puts the prefix back, unless it is there: some upstreams know their public address.
    fn public_path(&self, path: &str) -> String {
        match self.prefix {
            Some(prefix) if !is_below(path, prefix) => format!("{prefix}{path}"),
            _ => path.to_owned(),
        }
    }

    /// Puts the prefix back into a cookie's `Path` and drops a `Domain` that names the endpoint.
    fn cookie(&self, value: &HeaderValue) -> HeaderValue {
        let Ok(text) = value.to_str() else {
            return value.clone();
        };
        let host = self
            .authority
            .rsplit_once(':')
            .map_or(self.authority, |(host, _)| host);
        let parts: Vec<String> = text
            .split(';')
            .filter_map(|part| {
                let (name, setting) = part.split_once('=').unwrap_or((part, ""));
                match name.trim() {
                    name if name.eq_ignore_ascii_case("path") && setting.starts_with('/') => {
                        Some(format!("{}={}", part_name(part), self.public_path(setting)))
                    }
                    name if name.eq_ignore_ascii_case("domain") && setting.trim() == host => None,
                    _ => Some(part.to_owned()),
                }
            })
            .collect();
        HeaderValue::from_str(&parts.join(";")).unwrap_or_else(|_| value.clone())
    }
}

/// The name of a cookie's part with the blanks before it.
fn part_name(part: &str) -> &str {
    part.split_once('=').map_or(part, |(name, _)| name)
}

/// Whether `path` is `prefix` or lies below it.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REWRITES: Rewrites<'_> = Rewrites {
        prefix: Some("/api"),
        authority: "127.0.0.1:7007",
    };

    #[track_caller]
    fn location(sent: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, sent.parse().expect("a header value"));
        prepare(&mut headers, REWRITES);
        headers[LOCATION].to_str().expect("ASCII").to_owned()
    }

    #[test]
    fn a_location_gets_back_the_prefix_that_was_stripped() {
        assert_eq!(location("/orders/7"), "/api/orders/7");
    }

    #[test]
    fn a_location_that_names_the_endpoint_becomes_a_path_of_the_edge() {
        assert_eq!(
            location("http://127.0.0.1:7007/orders/7?a=1"),
            "/api/orders/7?a=1"
        );
        assert_eq!(location("https://127.0.0.1:7007/orders"), "/api/orders");
        assert_eq!(location("http://127.0.0.1:7007"), "/api/");
    }

    #[test]
    fn a_location_elsewhere_stays() {
        for elsewhere in [
            "https://shop.test/x",
            "//shop.test/x",
            "http://127.0.0.1:70071/x",
            "orders/7",
        ] {
            assert_eq!(location(elsewhere), elsewhere);
        }
    }

    #[test]
    fn a_location_that_has_the_prefix_already_stays() {
        assert_eq!(location("/api/orders/7"), "/api/orders/7");
        assert_eq!(location("/apis"), "/api/apis");
    }

    #[test]
    fn cookies_get_the_public_path_and_lose_the_endpoints_domain() {
        let mut headers = HeaderMap::new();
        for cookie in [
            "a=1; Path=/; HttpOnly",
            "b=path=/x; Domain=127.0.0.1; Secure",
        ] {
            headers.append(SET_COOKIE, cookie.parse().expect("a header value"));
        }
        prepare(&mut headers, REWRITES);
        let cookies: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; Path=/api/; HttpOnly", "b=path=/x; Secure"]);
    }
}
