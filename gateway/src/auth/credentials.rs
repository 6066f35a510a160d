//! The tokens and keys that a request brings.

use std::net::IpAddr;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, Method, Uri};
use route_table::table::Place;

use super::refused::Reason;
use crate::edge::cookies;

/// A request, as far as it says who is calling, and for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Presented<'r> {
    pub(crate) method: &'r Method,
    /// Lower case, without port.
    pub(crate) host: &'r str,
    pub(crate) uri: &'r Uri,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) client: IpAddr,
    pub(crate) https: bool,
}

/// A token or key that a request brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Credential<'r>(pub(super) &'r str);

impl<'r> Presented<'r> {
    /// What a service that is asked about the request is told of it.
    pub(super) fn forwarded(self) -> [(&'static str, String); 5] {
        let target = self.uri.path_and_query();
        let scheme = if self.https { "https" } else { "http" };
        [
            ("x-forwarded-method", self.method.to_string()),
            ("x-forwarded-proto", scheme.to_owned()),
            ("x-forwarded-host", self.host.to_owned()),
            (
                "x-forwarded-uri",
                target.map_or_else(|| "/".to_owned(), ToString::to_string),
            ),
            ("x-forwarded-for", self.client.to_string()),
        ]
    }

    /// The first place that has something counts, and what it has must be one thing.
    pub(super) fn find(self, places: &[Place]) -> Result<Option<Credential<'r>>, Reason> {
        for place in places {
            let (found, is_token): (_, fn(&str) -> bool) = match place {
                Place::Bearer => (bearer(self.headers)?, is_bearer_token),
                Place::Header(name) => (header(self.headers, name)?, is_word),
                Place::Cookie(name) => (only(cookies::values(self.headers, name))?, is_word),
                Place::Query(name) => {
                    let values = query_values(self.uri.query().unwrap_or(""), name);
                    (only(values)?, is_bearer_token)
                }
            };
            if let Some(text) = found {
                return if is_token(text) {
                    Ok(Some(Credential(text)))
                } else {
                    Err(Reason::Malformed)
                };
            }
        }
        Ok(None)
    }
}

/// Finds the token of `Authorization: Bearer` (RFC 6750, section 2.1; the scheme knows no case). Another scheme
/// is no token of ours; two fields are refused, because the upstream might believe the other one.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Reason> {
    let Some(text) = header(headers, &AUTHORIZATION)? else {
        return Ok(None);
    };
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(Some(token.trim_matches(' ')))
    } else {
        Ok(None)
    }
}

fn header<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Result<Option<&'r str>, Reason> {
    let mut fields = headers.get_all(name).iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(Reason::SeveralTokens);
    }
    field.to_str().map(Some).map_err(|_| Reason::Malformed)
}

/// The values of a query's parameter, as they are written: what needs to be decoded is no token.
fn query_values<'q>(query: &'q str, name: &str) -> impl Iterator<Item = &'q str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(move |(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// Two of a kind are refused: somebody else might believe the other one.
fn only<'r>(mut values: impl Iterator<Item = &'r str>) -> Result<Option<&'r str>, Reason> {
    let first = values.next();
    if values.next().is_some() {
        return Err(Reason::SeveralTokens);
    }
    Ok(first)
}

/// Session cookies are written with what their makers like; spaces and controls are nobody's.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The alphabet of RFC 6750's `b64token`, which has all that JWTs and keys are written with.
fn is_bearer_token(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token)
}

#[cfg(test)]
impl<'r> Presented<'r> {
    pub(super) fn of(headers: &'r HeaderMap, uri: &'r Uri) -> Self {
        Self {
            method: &Method::GET,
            host: "shop.test",
            uri,
            headers,
            client: std::net::Ipv4Addr::LOCALHOST.into(),
            https: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::COOKIE;

    use super::*;

    fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[track_caller]
    fn assert_found(
        place: &Place,
        (name, values): (&HeaderName, &[&str]),
        query: Option<&str>,
        expected: Result<Option<&str>, Reason>,
    ) {
        let headers = headers(name, values);
        let uri = format!("/?{}", query.unwrap_or("")).parse().unwrap();
        let found = Presented::of(&headers, &uri).find(std::slice::from_ref(place));
        let found = found.map(|found| found.map(|Credential(text)| text));
        assert_eq!(found, expected, "{place:?} {values:?} {query:?}");
    }

    #[track_caller]
    fn assert_bearer(values: &[&str], expected: Result<Option<&str>, Reason>) {
        assert_found(&Place::Bearer, (&AUTHORIZATION, values), None, expected);
    }

    #[test]
    fn a_bearer_token_is_what_follows_the_scheme() {
        assert_bearer(&[], Ok(None));
        assert_bearer(&["Bearer a.b.c"], Ok(Some("a.b.c")));
        assert_bearer(&["bEARER  a.b.c "], Ok(Some("a.b.c")));
        assert_bearer(&["Basic dTpw"], Ok(None));
        assert_bearer(&["Bearer"], Err(Reason::Malformed));
        assert_bearer(&["Bearer "], Err(Reason::Malformed));
        assert_bearer(&["Bearer a b"], Err(Reason::Malformed));
        assert_bearer(&["Bearer a, Bearer b"], Err(Reason::Malformed));
        let twice = ["Bearer a.b.c", "Bearer a.b.c"];
        assert_bearer(&twice, Err(Reason::SeveralTokens));
        assert_bearer(&["Basic dTpw", "Bearer a.b.c"], Err(Reason::SeveralTokens));
    }

    #[test]
    fn a_header_a_cookie_or_a_parameter_holds_nothing_but_the_token() {
        let name = HeaderName::from_static("x-api-key");
        let header = Place::Header(name.clone());
        assert_found(&header, (&name, &["k-1"]), None, Ok(Some("k-1")));
        assert_found(&header, (&name, &["k 1"]), None, Err(Reason::Malformed));
        assert_found(&header, (&name, &[""]), None, Err(Reason::Malformed));
        assert_found(
            &header,
            (&name, &["a", "b"]),
            None,
            Err(Reason::SeveralTokens),
        );

        let cookie = Place::Cookie("token".into());
        let (found, two) = (["a=1; token=x.y.z"], ["token=a; token=b"]);
        assert_found(&cookie, (&COOKIE, &found), None, Ok(Some("x.y.z")));
        assert_found(&cookie, (&COOKIE, &["Token=x"]), None, Ok(None));
        assert_found(&cookie, (&COOKIE, &two), None, Err(Reason::SeveralTokens));

        let query = Place::Query("t".into());
        let asked = |text, expected| assert_found(&query, (&COOKIE, &[]), text, expected);
        asked(Some("a=1&t=x.y.z"), Ok(Some("x.y.z")));
        asked(Some("a=1&T=x"), Ok(None));
        asked(Some("t=a%2Eb"), Err(Reason::Malformed));
        asked(Some("t=a&t=b"), Err(Reason::SeveralTokens));
        asked(None, Ok(None));
    }

    #[test]
    fn the_first_place_that_has_something_counts() {
        let headers = headers(&AUTHORIZATION, &["Bearer from-header"]);
        let uri = Uri::from_static("/?t=from-query");
        let presented = Presented::of(&headers, &uri);
        let (bearer, query) = (Place::Bearer, Place::Query("t".into()));
        let both = [query.clone(), bearer.clone()];
        assert_eq!(presented.find(&both), Ok(Some(Credential("from-query"))));
        let both = [bearer, query];
        assert_eq!(presented.find(&both), Ok(Some(Credential("from-header"))));
    }
}
