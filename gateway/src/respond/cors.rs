//! Cross-origin requests by the Fetch standard: what a browser is told about whose pages may read an answer.
//!
//! The gateway answers preflights itself, and speaks for a route that has `cors`: what its upstream says of
//! the matter is dropped. An origin that is not allowed is told nothing, which is how a browser is refused.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use route_table::table::{Cors, Origins, RouteId};
use route_table::{RequestFacts, Table};

use crate::respond::{ResponseBody, vary};

/// A browser's question whether it may send a request.
#[derive(Debug)]
pub(crate) struct Preflight<'r> {
    headers: &'r HeaderMap,
    /// The method of the request to come.
    pub(crate) method: Method,
}

impl<'r> Preflight<'r> {
    /// A preflight is `OPTIONS` with an origin and a method.
    pub(crate) fn of<B>(request: &'r Request<B>) -> Option<Self> {
        let headers = request.headers();
        if *request.method() != Method::OPTIONS || !headers.contains_key(ORIGIN) {
            return None;
        }
        let method = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        let method = Method::from_bytes(method.as_bytes()).ok()?;
        Some(Self { headers, method })
    }

    /// The row that answers it: the one that takes the request it announces, if that has `cors`.
    pub(crate) fn find_route<'t>(
        &self,
        table: &'t Table,
        asked: &RequestFacts<'_>,
    ) -> Option<(RouteId, &'t Cors)> {
        let announced = RequestFacts {
            method: &self.method,
            ..*asked
        };
        let matched = table.find(&announced)?;
        let cors = matched.route.policy.cors.as_deref()?;
        Some((matched.id, cors))
    }

    /// What is said to it beside what [`tell`] says on every answer.
    pub(crate) fn answer(&self, cors: &Cors, is_allowed: bool) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        vary::add(headers, "Access-Control-Request-Method");
        vary::add(headers, "Access-Control-Request-Headers");
        if !is_allowed {
            return response;
        }
        let asked = |name: HeaderName| self.headers.get(name).cloned();
        let methods = cors.methods.clone();
        let methods = methods.or_else(|| asked(ACCESS_CONTROL_REQUEST_METHOD));
        let names = cors.headers.clone();
        let names = names.or_else(|| asked(ACCESS_CONTROL_REQUEST_HEADERS));
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_METHODS, methods),
            (ACCESS_CONTROL_ALLOW_HEADERS, names),
        ] {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
        headers.insert(
            ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from(cors.max_age.as_secs()),
        );
        response
    }
}

/// The value of `Access-Control-Allow-Origin` for a request; `None`: it comes from no page, or from one
/// that may not read the answer.
pub(crate) fn allowed(cors: &Cors, headers: &HeaderMap) -> Option<HeaderValue> {
    if cors.origins == Origins::Any {
        // Whoever asks: a cache may give the answer to a page.
        return Some(HeaderValue::from_static("*"));
    }
    let mut origins = headers.get_all(ORIGIN).iter();
    // Two origins are none of a browser's.
    let (origin, None) = (origins.next()?, origins.next()) else {
        return None;
    };
    let is_allowed = cors.origins.allow(origin.to_str().ok()?);
    is_allowed.then(|| origin.clone())
}

/// Whether a preflight for this method is told of it. What a form can send need not be listed.
pub(crate) fn lists(cors: &Cors, method: &Method) -> bool {
    let Some(listed) = cors.methods.as_ref().and_then(|list| list.to_str().ok()) else {
        return true;
    };
    matches!(*method, Method::GET | Method::HEAD | Method::POST)
        || listed.split(", ").any(|one| one == method.as_str())
}

/// Says on an answer, whoever has made it, what [`allowed`] came to.
pub(crate) fn tell(headers: &mut HeaderMap, cors: &Cors, origin: Option<HeaderValue>) {
    if cors.origins != Origins::Any {
        // On every answer: one that was made for nobody must not be given to a page by a cache.
        vary::add(headers, "Origin");
    }
    let Some(origin) = origin else {
        headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
        return;
    };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if cors.credentials {
        let yes = HeaderValue::from_static("true");
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
    }
    if let Some(names) = &cors.expose {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names.clone());
    }
}

/// Takes out what an upstream says of the matter.
pub(crate) fn strip(headers: &mut HeaderMap) {
    for name in [
        ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_ALLOW_CREDENTIALS,
        ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE,
    ] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use route_table::table::Action;

    use super::*;
    use crate::routing::table_for_test;

    fn cors(rules: &str) -> Cors {
        let table = table_for_test(&format!(
            "version: 1\nlisteners: [{{ bind: '127.0.0.1:0' }}]\n\
             routes:\n- {{ match: {{ prefix: / }}, to: {{ respond: {{}} }}, cors: {rules} }}\n"
        ));
        let route = &table.routes[0];
        assert!(matches!(route.action, Action::Respond(_)));
        *route.policy.cors.clone().expect("cors")
    }

    fn from(origins: &[&'static str]) -> HeaderMap {
        let origins = origins
            .iter()
            .map(|origin| HeaderValue::from_static(origin));
        HeaderMap::from_iter(origins.map(|origin| (ORIGIN, origin)))
    }

    /// What an answer that has these headers says after `tell`.
    #[track_caller]
    fn told(rules: &str, origins: &[&'static str]) -> Vec<String> {
        let cors = cors(rules);
        let mut headers = HeaderMap::new();
        tell(&mut headers, &cors, allowed(&cors, &from(origins)));
        let pairs = headers.iter();
        let mut lines: Vec<_> = pairs
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn an_allowed_origin_is_named_and_others_are_told_nothing() {
        let rules =
            "{ origins: ['https://shop.test'], credentials: true, expose: [ETag, X-Total] }";
        assert_eq!(
            told(rules, &["https://shop.test"]),
            [
                "access-control-allow-credentials: true",
                "access-control-allow-origin: https://shop.test",
                "access-control-expose-headers: ETag, X-Total",
                "vary: Origin",
            ]
        );
        for others in [
            &["https://evil.test"][..],
            &["null"],
            &[],
            &["https://shop.test", "https://evil.test"],
        ] {
            assert_eq!(told(rules, others), ["vary: Origin"], "{others:?}");
        }
    }

    #[test]
    fn what_anybody_may_read_is_the_same_for_all() {
        let rules = "{ origins: '*' }";
        for origins in [&["https://shop.test"][..], &["null"], &[]] {
            assert_eq!(told(rules, origins), ["access-control-allow-origin: *"]);
        }
    }

    #[test]
    fn null_is_an_origin_where_it_is_listed() {
        for written in ["[null]", "['null']"] {
            let said = told(&format!("{{ origins: {written} }}"), &["null"]);
            assert_eq!(said, ["access-control-allow-origin: null", "vary: Origin"]);
        }
    }

    #[test]
    fn a_method_is_allowed_when_it_is_listed_or_a_forms() {
        let some = cors("{ origins: '*', methods: [GET, PUT] }");
        for (method, allowed) in [
            (Method::PUT, true),
            (Method::POST, true),
            (Method::DELETE, false),
        ] {
            assert_eq!(lists(&some, &method), allowed, "{method}");
            assert!(lists(&cors("{ origins: '*' }"), &method));
        }
    }

    #[test]
    fn a_preflight_is_told_what_the_row_lists_or_what_it_asks_for() {
        let request = Request::options("/")
            .header(ORIGIN, "https://shop.test")
            .header(ACCESS_CONTROL_REQUEST_METHOD, "PUT")
            .header(ACCESS_CONTROL_REQUEST_HEADERS, "x-a,x-b")
            .body(())
            .unwrap();
        let preflight = Preflight::of(&request).expect("a preflight");
        for (rules, methods, names, age) in [
            ("{ origins: '*' }", "PUT", "x-a,x-b", "600"),
            (
                "{ origins: '*', methods: [GET, PUT], headers: [X-A], max_age: 1h }",
                "GET, PUT",
                "X-A",
                "3600",
            ),
        ] {
            let response = preflight.answer(&cors(rules), true);
            assert_eq!(response.status(), 204);
            let said = response.headers();
            assert_eq!(said["access-control-allow-methods"], methods);
            assert_eq!(said["access-control-allow-headers"], names);
            assert_eq!(said["access-control-max-age"], age);
        }
    }
}
