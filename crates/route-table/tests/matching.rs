//! Matching agrees with a naive oracle that looks at every route.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test harness")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::*;
use route_table::table::RouteId;
use route_table::{RequestFacts, Source, Table, Verdict, load};

#[track_caller]
fn table(text: &str) -> Table {
    let source = Source {
        file: "routes.yaml",
        text,
        base_dir: std::path::Path::new("."),
        env: &|_| None,
    };
    load(&source).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

/// A route as a test describes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    host: Option<&'static str>,
    path: Vec<&'static str>,
    method: Option<&'static str>,
    header: bool,
}

fn text_of(rows: &[Row]) -> String {
    let mut text = "version: 1\nlisteners: [ { bind: '127.0.0.1:0' } ]\n\
                    upstreams: { a: { endpoints: ['http://127.0.0.1:1'] } }\nroutes:\n"
        .to_owned();
    for (index, row) in rows.iter().enumerate() {
        let mut also = String::new();
        if let Some(host) = row.host {
            write!(also, ", host: '{host}'").unwrap();
        }
        if let Some(method) = row.method {
            write!(also, ", methods: [{method}]").unwrap();
        }
        if row.header {
            also.push_str(", headers: { x-a: '1' }");
        }
        let path = row.path.join("/");
        writeln!(
            text,
            "  - {{ name: r{index}, match: {{ path: '/{path}'{also} }}, to: {{ upstream: a }} }}"
        )
        .unwrap();
    }
    text
}

/// How good a route's path is for a request's: smaller is better, segment by segment.
fn rank_of_path(pattern: &[&str], path: &[&str]) -> Option<Vec<u8>> {
    let mut rank = Vec::new();
    for (index, part) in pattern.iter().enumerate() {
        if part.starts_with("{*") {
            // Something must be left, were it only what follows a slash.
            path.get(index)?;
            rank.push(2);
            return Some(rank);
        }
        let segment = path.get(index)?;
        if part.starts_with('{') {
            if segment.is_empty() {
                return None;
            }
            rank.push(1);
        } else if part == segment {
            rank.push(0);
        } else {
            return None;
        }
    }
    (pattern.len() == path.len()).then_some(rank)
}

fn rank_of_host(pattern: Option<&str>, host: &str) -> Option<usize> {
    match pattern {
        None => Some(1000),
        Some(exact) if exact == host => Some(0),
        Some(wild) => {
            let suffix = wild.strip_prefix('*')?;
            let before = host.strip_suffix(suffix)?;
            (!before.is_empty()).then(|| 500 - suffix.len())
        }
    }
}

fn oracle(rows: &[Row], host: &str, path: &str, method: &str, header: bool) -> Option<usize> {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    rows.iter()
        .enumerate()
        .filter(|(_, row)| row.method.is_none_or(|wanted| wanted == method))
        .filter(|(_, row)| !row.header || header)
        .filter_map(|(index, row)| {
            let host = rank_of_host(row.host, host)?;
            let path = rank_of_path(&row.path, &segments)?;
            Some((host, path, row.method.is_none(), !row.header, index))
        })
        .min()
        .map(|(.., index)| index)
}

fn found(table: &Table, host: &str, path: &str, method: &str, header: bool) -> Option<usize> {
    let mut headers = HeaderMap::new();
    if header {
        headers.insert("x-a", HeaderValue::from_static("1"));
    }
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let facts = RequestFacts {
        host,
        path,
        method: &method,
        headers: &headers,
        query: None,
        client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let found = table.find(&facts);
    assert!(
        found.is_some() || table.nearest_miss(&facts).is_some(),
        "a route is always nearest"
    );
    assert_explained(table, &facts, found.as_ref().map(|found| found.id));
    found.map(|found| found.route.name.trim_start_matches('r').parse().unwrap())
}

/// What the explanation says agrees with what is done.
#[track_caller]
fn assert_explained(table: &Table, facts: &RequestFacts<'_>, found: Option<RouteId>) {
    let explained = table.explain(facts);
    assert_eq!(explained.taken, found);
    assert_eq!(explained.nearest_miss.is_some(), found.is_none());
    let verdicts: Vec<_> = explained
        .candidates
        .iter()
        .map(|one| &one.verdict)
        .collect();
    let taken = verdicts.iter().position(|one| **one == Verdict::Takes);
    assert_eq!(taken.is_some(), found.is_some());
    for (index, verdict) in verdicts.iter().enumerate() {
        match verdict {
            Verdict::Fails(_) => {}
            Verdict::Takes => assert_eq!(Some(index), taken, "one row takes it"),
            Verdict::Later => assert!(Some(index) > taken, "later than the one that takes it"),
        }
    }
    let mut ids: Vec<_> = explained.candidates.iter().map(|one| one.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), verdicts.len(), "each row is judged once");
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let segment = prop::sample::select(vec!["a", "b", "{p}"]);
    let last = prop::sample::select(vec!["a", "b", "{q}", "{*rest}", ""]);
    let path = (prop::collection::vec(segment, 0..3), last).prop_map(|(mut path, last)| {
        // A parameter's name may stand once; its place does not matter to matching.
        for (name, part) in ["{p}", "{p1}", "{p2}"].iter().zip(path.iter_mut()) {
            if *part == "{p}" {
                *part = name;
            }
        }
        path.push(last);
        path
    });
    let host = prop::sample::select(vec![None, Some("a.test"), Some("*.test"), Some("*.b.test")]);
    let method = prop::sample::select(vec![None, Some("POST")]);
    let row = (host, path, method, any::<bool>()).prop_map(|(host, path, method, header)| Row {
        host,
        path,
        method,
        header,
    });
    prop::collection::vec(row, 1..12).prop_map(|rows| {
        // Rows that shadow each other are an error of the table: keep one of each kind.
        let key = |row: &Row| {
            let shape: Vec<_> = row
                .path
                .iter()
                .map(|part| {
                    if part.starts_with("{p") || *part == "{q}" {
                        "{}"
                    } else {
                        part
                    }
                })
                .collect();
            (row.host, shape, row.method, row.header)
        };
        rows.into_iter()
            .map(|row| (key(&row), row))
            .collect::<BTreeMap<_, _>>()
            .into_values()
            .collect()
    })
}

proptest! {
    // Ten thousand requests and more, each matched, looked up in every route and explained.
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_tree_finds_what_a_look_at_every_route_finds(
        rows in rows(),
        requests in prop::collection::vec(
            (
                prop::sample::select(vec!["a.test", "x.test", "x.b.test", "test", "other"]),
                prop::collection::vec(prop::sample::select(vec!["a", "b", "c", ""]), 1..4),
                prop::sample::select(vec!["GET", "POST"]),
                any::<bool>(),
            ),
            10..20,
        ),
    ) {
        let table = table(&text_of(&rows));
        for (host, segments, method, header) in requests {
            let path = format!("/{}", segments.join("/"));
            prop_assert_eq!(
                found(&table, host, &path, method, header),
                oracle(&rows, host, &path, method, header),
                "{} {}{} header={}\n{}", method, host, path, header, text_of(&rows)
            );
        }
    }

    #[test]
    fn no_text_makes_loading_panic(text in "[ -~\\n]{0,300}") {
        let source = Source {
            file: "x",
            text: &text,
            base_dir: std::path::Path::new("."),
            env: &|_| None,
        };
        if let Err(errors) = load(&source) {
            prop_assert!(!errors.0.is_empty());
        }
    }
}

fn ask<'t>(table: &'t Table, method: Method, target: &str, headers: &HeaderMap) -> Option<&'t str> {
    let (path, query) = target
        .split_once('?')
        .map_or((target, None), |(p, q)| (p, Some(q)));
    let facts = RequestFacts {
        host: "localhost",
        path,
        method: &method,
        headers,
        query,
        client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    table.find(&facts).map(|found| &*found.route.name)
}

fn head(routes: &str) -> Table {
    table(&format!(
        "version: 1\nlisteners: [ {{ bind: '127.0.0.1:0' }} ]\n\
         upstreams: {{ a: {{ endpoints: ['http://127.0.0.1:1'] }} }}\nroutes:\n{routes}"
    ))
}

#[test]
fn get_takes_head_and_nothing_else() {
    let table = head("  - { name: r, match: { path: /a, methods: [GET] }, to: { upstream: a } }\n");
    let none = HeaderMap::new();
    assert_eq!(ask(&table, Method::HEAD, "/a", &none), Some("r"));
    assert_eq!(ask(&table, Method::POST, "/a", &none), None);
}

#[test]
fn a_prefix_is_whole_segments() {
    let table = head("  - { name: r, match: { prefix: /api }, to: { upstream: a } }\n");
    let none = HeaderMap::new();
    for (path, taken) in [
        ("/api", true),
        ("/api/", true),
        ("/api/x/y", true),
        ("/apis", false),
    ] {
        assert_eq!(
            ask(&table, Method::GET, path, &none).is_some(),
            taken,
            "{path}"
        );
    }
}

#[test]
fn query_and_cookies_are_compared_decoded_and_whole() {
    let table = head(
        "  - { name: q, match: { path: /a, query: { q: 'a b' } }, to: { upstream: a } }\n  \
         - { name: c, match: { path: /a, cookies: { beta: '1' } }, to: { upstream: a } }\n",
    );
    let none = HeaderMap::new();
    for target in ["/a?q=a%20b", "/a?q=a+b", "/a?x=1&q=a+b"] {
        assert_eq!(
            ask(&table, Method::GET, target, &none),
            Some("q"),
            "{target}"
        );
    }
    assert_eq!(ask(&table, Method::GET, "/a?q=a", &none), None);
    let mut headers = HeaderMap::new();
    headers.insert("cookie", HeaderValue::from_static("alpha=2; beta=1"));
    assert_eq!(ask(&table, Method::GET, "/a", &headers), Some("c"));
    headers.insert("cookie", HeaderValue::from_static("beta=11"));
    assert_eq!(ask(&table, Method::GET, "/a", &headers), None);
}

#[test]
fn parameters_are_handed_out_by_name() {
    let table = head("  - { name: r, match: { path: '/a/{id}/{*rest}' }, to: { upstream: a } }\n");
    let facts = RequestFacts {
        host: "localhost",
        path: "/a/7/b/c",
        method: &Method::GET,
        headers: &HeaderMap::new(),
        query: None,
        client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let found = table.find(&facts).expect("a route");
    assert_eq!(found.params.get("id"), Some("7"));
    assert_eq!(found.params.get("rest"), Some("b/c"));
    assert_eq!(found.params.get("other"), None);
}

#[test]
fn the_nearest_miss_says_what_was_in_the_way() {
    let table = head(
        "  - { name: order, match: { path: '/api/orders/{id}', methods: [GET] }, to: { upstream: a } }\n",
    );
    let near = |method: Method, path: &str| {
        let facts = RequestFacts {
            host: "localhost",
            path,
            method: &method,
            headers: &HeaderMap::new(),
            query: None,
            client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        table.nearest_miss(&facts).expect("a nearest route").reason
    };
    assert_eq!(
        near(Method::POST, "/api/orders/7"),
        "method is POST, the route takes GET"
    );
    assert_eq!(
        near(Method::GET, "/api/ordrs/7"),
        "path differs at segment 2: `ordrs`, the route has `orders`"
    );
    assert_eq!(
        near(Method::GET, "/api/orders"),
        "the path goes on after its end"
    );
}

#[test]
fn a_hundred_thousand_routes_compile_and_each_is_found() {
    let mut routes = String::new();
    for index in 0..100_000 {
        writeln!(
            routes,
            "  - {{ match: {{ path: '/s{index}/{{id}}' }}, to: {{ upstream: a }} }}"
        )
        .unwrap();
    }
    let table = head(&routes);
    let none = HeaderMap::new();
    for index in [0, 1, 50_000, 99_999] {
        let found = ask(&table, Method::GET, &format!("/s{index}/7"), &none);
        assert_eq!(found, Some(format!("/s{index}/{{id}}").as_str()));
    }
}

#[test]
fn an_explanation_lists_every_row_of_the_path_with_what_it_lacks() {
    let table = head(
        "- { name: beta, match: { path: '/orders/{id}', headers: { x-beta: '1' } }, to: { upstream: a } }\n\
         - { name: read, match: { path: '/orders/{id}', methods: [GET] }, to: { upstream: a } }\n\
         - { name: all, match: { prefix: /orders }, to: { upstream: a } }\n\
         - { name: shop, match: { host: shop.test, path: '/orders/{id}' }, to: { upstream: a } }\n\
         - { name: other, match: { path: /other }, to: { upstream: a } }\n",
    );
    let headers = HeaderMap::new();
    let facts = |method| RequestFacts {
        host: "localhost",
        path: "/orders/7",
        method,
        headers: &headers,
        query: None,
        client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let told = |method| {
        let explained = table.explain(&facts(method));
        let told = explained.candidates.into_iter().map(|one| {
            let name = &table.route(one.id).name;
            match one.verdict {
                Verdict::Takes => format!("{name} takes"),
                Verdict::Later => format!("{name} later"),
                Verdict::Fails(reason) => format!("{name}: {reason}"),
            }
        });
        told.collect::<Vec<_>>()
    };
    let shop = "shop: host is `localhost`, the route takes `shop.test`";
    let beta = "beta: header `x-beta` is not what the route asks for";
    assert_eq!(told(&Method::GET), ["read takes", beta, "all later", shop]);
    let read = "read: method is POST, the route takes GET";
    assert_eq!(told(&Method::POST), [read, beta, "all takes", shop]);
}
