//! Every mistake is reported, all at once, each with its place and its mend.

use route_table::{Source, load};

/// Loads a table that must be refused, and returns what a person would read.
#[track_caller]
fn refused(text: &str) -> String {
    let source = Source {
        file: "routes.yaml",
        text,
        base_dir: std::path::Path::new("."),
        env: &|name| (name == "PORT").then(|| "8443".to_owned()),
    };
    load(&source)
        .expect_err("a table with mistakes")
        .to_string()
}

/// `file:line:column: message` of every error.
#[track_caller]
fn places(text: &str) -> Vec<String> {
    let shown = refused(text);
    shown
        .lines()
        .filter(|line| line.starts_with("routes.yaml:"))
        .map(ToOwned::to_owned)
        .collect()
}

/// A good table with `routes` and what else a test needs.
fn with(rest: &str) -> String {
    format!(
        "version: 1\nlisteners: [ {{ bind: '127.0.0.1:0' }} ]\n\
         upstreams: {{ orders: {{ endpoints: ['http://127.0.0.1:1'] }} }}\n{rest}"
    )
}

#[test]
fn three_mistakes_are_reported_at_once_with_caret_and_mend() {
    let shown = refused(
        "version: 1\n\
         listeners: [ { bind: \"nowhere\" } ]\n\
         upstreams:\n  orders: { endpoints: [\"http://127.0.0.1:7007\"] }\n\
         routes:\n  - match: { path: /orders }\n    to: { upstream: ordrs }\n    timeout: 15 parsecs\n",
    );
    let expected = "\
routes.yaml:2:22: `bind` cannot be `nowhere`
  |
2 | listeners: [ { bind: \"nowhere\" } ]
  |                      ^
  = mend: write an address and a port, such as \"0.0.0.0:8443\" or \"[::1]:8443\"

routes.yaml:7:21: `ordrs` is not defined in `upstreams`
  |
7 |     to: { upstream: ordrs }
  |                     ^
  = mend: did you mean `orders`? write one of `orders`

routes.yaml:8:14: `timeout` cannot be `15 parsecs`
  |
8 |     timeout: 15 parsecs
  |              ^
  = mend: write a whole number and a unit, such as `250ms`, `15s`, `5m` or `1h`";
    assert_eq!(shown, expected);
}

#[test]
fn columns_are_characters_and_line_ends_may_be_crlf() {
    let text =
        with("routes:\r\n  - { name: \"é\", match: { path: /a }, to: { upstraem: orders } }\r\n");
    assert_eq!(
        places(&text),
        [
            "routes.yaml:5:43: `to` must say one thing",
            "routes.yaml:5:45: `upstraem` is no key of `to`",
        ]
    );
}

#[test]
fn each_mistake_is_named() {
    for (rest, message) in [
        (
            "routes: []\n",
            "`routes` is empty: every request would be a 404",
        ),
        ("routes: nothing\n", "`routes` must be a list, not a value"),
        (
            "limits: { a: { key: ip } }\nroutes: [ { match: { prefix: / }, to: { upstream: orders } } ]\n",
            "`rate` is missing in limit `a`",
        ),
        (
            "migrations: { m: { from: orders, to: orders, stage: \"canary 5%\" } }\nroutes: [ { match: { prefix: / }, to: { migration: m } } ]\n",
            "`stage` cannot be `canary 5%`",
        ),
        (
            "auth: { providers: { p: { issuer: i, jwks_uri: 'http://a', audiences: [a], algorithms: [HS256] } } }\nroutes: [ { match: { prefix: / }, to: { upstream: orders } } ]\n",
            "`algorithms` cannot be `HS256`",
        ),
        (
            "routes: [ { match: { path: a }, to: { upstream: orders } } ]\n",
            "`path` cannot be `a`",
        ),
        (
            "routes: [ { match: { path: '/{*a}/b' }, to: { upstream: orders } } ]\n",
            "`path` cannot be `/{*a}/b`",
        ),
        (
            "routes: [ { match: { path: /a, prefix: /b }, to: { upstream: orders } } ]\n",
            "a match needs exactly one path",
        ),
        (
            "routes: [ { match: { regex: '(' }, to: { upstream: orders } } ]\n",
            "`regex` cannot be `(`",
        ),
        (
            "routes: [ { match: { path: /a, methods: [get] }, to: { upstream: orders } } ]\n",
            "`methods` cannot be `get`",
        ),
        (
            "routes: [ { match: { path: '/${NOPE}' }, to: { upstream: orders } } ]\n",
            "the environment variable `NOPE` is not set",
        ),
        (
            "routes: [ { match: { prefix: / }, to: { upstream: orders } } ]\nroutes: []\n",
            "`routes` is given twice",
        ),
        (
            "routes: [ { match: { prefix: / }, to: { upstream: orders }, timeout: 0s } ]\n",
            "`timeout` cannot be `0s`",
        ),
        (
            "routes: [ { match: { prefix: / }, to: { upstream: orders } } ]\ntests: [ { request: GET /, expect: { no_route: true } } ]\n",
            "test failed: route `/*` takes this request",
        ),
        (
            "routes: [ { match: { prefix: / }, to: { upstream: orders } } ]\nextra: 1\n",
            "`extra` is no key of the table",
        ),
    ] {
        let shown = places(&with(rest));
        assert!(
            shown
                .iter()
                .any(|line| line.ends_with(&format!(": {message}"))),
            "{message}\n{shown:#?}"
        );
    }
}

#[test]
fn a_variable_that_is_not_set_is_one_mistake() {
    let rest = "routes: [ { match: { path: '/${NOPE}' }, to: { upstream: orders } } ]\n";
    assert_eq!(places(&with(rest)).len(), 1);
}

#[test]
fn aliases_of_aliases_end_early() {
    let mut text = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let ten = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("a{level}: &a{level} [{ten}]\n");
    }
    let shown = places(&text);
    assert!(
        shown[0].ends_with("aliases stand for too many values"),
        "{shown:#?}"
    );
}

#[test]
fn an_upstream_without_a_registry_is_refused() {
    let shown = refused(
        "version: 1\nlisteners: [ { bind: '127.0.0.1:0' } ]\n\
         upstreams: { b: { registry: b } }\n\
         routes: [ { match: { prefix: / }, to: { upstream: b } } ]\n",
    );
    assert!(shown.contains("upstream `b` needs a registry"), "{shown}");
}

/// Keys of an upstream, what is said of them, and a part of the mend.
const UPSTREAM_MISTAKES: [(&str, &str, &str); 19] = [
    (
        "endpoints: ['ftp://x']",
        "`endpoints` cannot be `ftp://x`",
        "unix:/run/app.sock",
    ),
    (
        "endpoints: ['unix:app.sock']",
        "cannot be `unix:app.sock`",
        "an absolute path",
    ),
    (
        "endpoints: ['http://x/path']",
        "cannot be `http://x/path`",
        "without a path",
    ),
    (
        "endpoints: [ { url: 'http://x', weight: 0 } ]",
        "`weight` cannot be `0`",
        "1 to 1000",
    ),
    (
        "endpoints: [ { url: 'http://x', priority: 10 } ]",
        "`priority` cannot be `10`",
        "0 to 9",
    ),
    (
        "endpoints: [ { weight: 2 } ]",
        "`url` is missing in an endpoint",
        "{ url:",
    ),
    (
        "endpoints: ['http://x'], protocol: h2",
        "`protocol` cannot be `h2`",
        "`http2`",
    ),
    (
        "endpoints: ['http://x'], tls: { ca: ca.pem }",
        "without a single https endpoint",
        "https://",
    ),
    (
        "endpoints: ['https://x'], tls: { cert: c.pem }",
        "needs both `cert` and `key`",
        "write both",
    ),
    (
        "endpoints: ['http://x'], balance: ewma",
        "`balance` cannot be `ewma`",
        "`peak_ewma`",
    ),
    (
        "endpoints: ['http://x'], hash: ip",
        "`hash` is only for `balance: maglev` and `balance: bounded_maglev`",
        "maglev",
    ),
    (
        "endpoints: ['http://x'], balance: maglev, hash: body",
        "`hash` cannot be `body`",
        "`path`",
    ),
    (
        "endpoints: ['http://x'], sticky: { cookie: 'a b' }",
        "`cookie` cannot be `a b`",
        "cookie's name",
    ),
    (
        "endpoints: ['http://x'], sticky: { cookie: a, secret: '${SHORT:-abc}' }",
        "shorter than 16 characters",
        "random text",
    ),
    (
        "endpoints: ['http://x'], health: { path: /a, tcp: true }",
        "exactly one probe",
        "grpc",
    ),
    (
        "endpoints: ['http://x'], outlier: { local_failure: 5 }",
        "`local_failure` is no key",
        "`local_failures`",
    ),
    (
        "endpoints: ['http://x'], circuit: { requests: 0 }",
        "`requests` cannot be `0`",
        "from 1",
    ),
    (
        "endpoints: ['http://x'], retry_budget: { percent: 101 }",
        "`percent` cannot be `101`",
        "0 to 100",
    ),
    (
        "endpoints: ['http://x'], connections: { max_age: 5 }",
        "`max_age` cannot be `5`",
        "`15s`",
    ),
];

#[test]
fn every_mistake_in_an_upstream_is_named_with_its_mend() {
    for (keys, message, mend) in UPSTREAM_MISTAKES {
        let shown = refused(&format!(
            "version: 1\nlisteners: [ {{ bind: '127.0.0.1:0' }} ]\n\
             upstreams: {{ orders: {{ {keys} }} }}\n\
             routes: [ {{ match: {{ prefix: / }}, to: {{ upstream: orders }} }} ]\n",
        ));
        assert!(shown.contains(message), "{keys}\n{shown}");
        assert!(shown.contains(mend), "{keys}\n{shown}");
    }
}

#[test]
fn two_upstreams_cannot_share_a_sticky_cookie() {
    let row = |name| format!("{name}: {{ endpoints: ['http://x'], sticky: {{ cookie: node }} }}");
    let shown = refused(&format!(
        "version: 1\nlisteners: [ {{ bind: '127.0.0.1:0' }} ]\n\
         upstreams: {{ {}, {} }}\n\
         routes: [ {{ match: {{ prefix: / }}, to: {{ upstream: one }} }} ]\n",
        row("one"),
        row("two"),
    ));
    assert!(shown.contains("upstream `one`'s already"), "{shown}");
}

#[test]
fn what_could_not_do_what_it_says_is_refused() {
    let route = "routes: [ { name: all, match: { prefix: / }, to: { upstream: orders } } ]\n";
    for (rest, message) in [
        (
            "tests: [ { request: GET /, expect: {} } ]\n",
            "`expect` expects nothing",
        ),
        (
            "tests: [ { request: GET /, expect: { status: 404 } } ]\n",
            "route `all` asks an upstream",
        ),
        (
            "migrations: { m: { from: orders, to: orders, stage: monolith } }\n",
            "`from` and `to` are one upstream",
        ),
    ] {
        let shown = refused(&with(&format!("{route}{rest}")));
        assert!(shown.contains(message), "{rest}\n{shown}");
    }
    let table = with(route).replace("127.0.0.1:0", "127.0.0.1:9901");
    let shown = refused(&table);
    assert!(shown.contains("is the address of `admin` too"), "{shown}");
}

#[test]
fn every_mistake_in_a_listener_is_named_with_its_mend() {
    for (keys, message, mend) in [
        (
            "proxy_protocol: v2",
            "`proxy_protocol` cannot be `v2`",
            "`true`",
        ),
        (
            "timeouts: { header: 10 }",
            "`header` cannot be `10`",
            "`15s`",
        ),
        (
            "timeouts: { idle: 0s }",
            "`idle` cannot be `0s`",
            "above zero",
        ),
        (
            "timeouts: { boddy: 1s }",
            "`boddy` is no key of `timeouts` of a listener",
            "`body`",
        ),
        (
            "timeouts: 1s",
            "`timeouts` of a listener must be a mapping",
            "",
        ),
    ] {
        let shown = refused(&format!(
            "version: 1\nlisteners: [ {{ bind: '127.0.0.1:0', {keys} }} ]\n\
             routes: [ {{ match: {{ prefix: / }}, to: {{ respond: {{ status: 204 }} }} }} ]\n",
        ));
        assert!(shown.contains(message), "{keys}\n{shown}");
        assert!(shown.contains(mend), "{keys}\n{shown}");
    }
}

#[test]
fn an_address_has_one_listener() {
    let shown = places(
        "version: 1\nlisteners:\n  - { bind: ['127.0.0.1:80', '127.0.0.1:0', '127.0.0.1:0'] }\n  \
         - { name: other, bind: '127.0.0.1:80' }\n\
         routes: [ { match: { prefix: / }, to: { respond: { status: 204 } } } ]\n",
    );
    assert_eq!(shown, ["routes.yaml:4:5: two listeners bind 127.0.0.1:80"]);
}

#[test]
fn every_mistake_in_what_a_route_says_of_time_and_order_is_named() {
    for (keys, message) in [
        ("retries: 6", "`retries` cannot be `6`"),
        ("retries: { on: [500] }", "`on` cannot be `500`"),
        (
            "retries: { attempt: 2 }",
            "`attempt` is no key of `retries`",
        ),
        ("retries: { backoff: 25 }", "`backoff` cannot be `25`"),
        ("try_timeout: never", "`try_timeout` cannot be `never`"),
        ("streaming: always", "`streaming` cannot be `always`"),
        ("priority: urgent", "`priority` cannot be `urgent`"),
    ] {
        let shown = refused(&with(&format!(
            "routes: [ {{ match: {{ prefix: / }}, to: {{ upstream: orders }}, {keys} }} ]\n"
        )));
        assert!(shown.contains(message), "{keys}\n{shown}");
    }
}

#[test]
fn a_route_that_can_never_be_reached_names_the_one_before_it() {
    let shown = places(&with(
        "routes:\n  - { name: all, match: { path: '/a/{x}' }, to: { upstream: orders } }\n  \
         - { name: never, match: { path: '/a/{y}' }, to: { upstream: orders } }\n",
    ));
    assert_eq!(
        shown,
        [
            "routes.yaml:6:5: route `never` can never be reached: route `all` at 5:5 takes every request it would"
        ]
    );
}

#[test]
fn what_is_no_yaml_is_one_error_with_its_place() {
    for text in [
        "version: [1\n",
        "a: b: c\n",
        "\tversion: 1\n",
        "",
        "--- 1\n--- 2\n",
        "- &a [*a]\n",
    ] {
        let shown = places(text);
        assert!(!shown.is_empty(), "{text:?}");
    }
}

#[test]
fn a_mirror_that_makes_no_sense_is_refused() {
    let route = |to: &str, keys: &str| {
        with(&format!(
            "routes:\n  - match: {{ prefix: / }}\n    to: {to}\n    {keys}\n"
        ))
    };
    let to_orders = "{ upstream: orders }";
    let fixed = "{ respond: { status: 204 } }";
    for (text, expected) in [
        (
            route(to_orders, "mirror: { upstream: orders }"),
            "its own upstream twice",
        ),
        (
            route(to_orders, "mirror: { upstream: ordrs }"),
            "`ordrs` is not defined in `upstreams`",
        ),
        (
            route(fixed, "mirror: { upstream: orders }"),
            "there is nothing to mirror",
        ),
        (
            route(to_orders, "mirror: { percent: 5 }"),
            "`upstream` is missing",
        ),
        (
            route(fixed, "mirror: { upstream: orders, percent: 0 }"),
            "`percent` cannot be `0`",
        ),
        (
            route(fixed, "mirror: { upstream: orders, unsafe: true }"),
            "`unsafe` cannot be `true`",
        ),
    ] {
        let places = places(&text).join("\n");
        assert!(places.contains(expected), "{places}");
    }
    let other = "upstreams: { orders: { endpoints: ['http://127.0.0.1:1'] }, \
                 next: { endpoints: ['http://127.0.0.1:2'] } }\n";
    let streaming = format!(
        "version: 1\nlisteners: [ {{ bind: '127.0.0.1:0' }} ]\n{other}routes:\n  - match: {{ prefix: / }}\n    \
         to: {to_orders}\n    streaming: true\n    mirror: {{ upstream: next }}\n"
    );
    assert!(
        places(&streaming)
            .join("\n")
            .contains("a streaming route cannot be mirrored")
    );
}

/// The message and the mend of everything that is wrong with one route.
#[track_caller]
fn wrong(route: &str) -> String {
    refused(&with(&format!("routes:\n  - {route}\n")))
}

#[test]
fn a_place_that_stands_for_nothing_is_refused_where_it_stands() {
    let matched = "match: { path: '/a/{id}' }";
    for (address, expected) in [
        ("/b/{ident}", "the route's path catches `{id}`"),
        ("/b/{id", "a `{` is not closed"),
        ("/b/id}", "a `}` has no `{` before it"),
        ("b", "write a path such as `/products/{id}`"),
        ("//evil.test/{id}", "write single slashes"),
        (
            "https://{id}.test/",
            "the host cannot come from the request's path",
        ),
        ("https:///x", "write a path such as"),
        ("ftp://x/", "write a path such as"),
        ("/b/{id}#top", "leave `#` out"),
        ("/b/../c", "dot segments"),
        ("/b/é", "%C3%A9"),
    ] {
        let shown = wrong(&format!("{{ {matched}, to: {{ redirect: '{address}' }} }}"));
        assert!(shown.contains(expected), "{address}: {shown}");
    }
    let bare = wrong("{ match: { path: /a }, to: { redirect: '/b/{id}' } }");
    assert!(bare.contains("the route's path catches nothing"), "{bare}");
    let query = wrong(&format!(
        "{{ {matched}, to: {{ upstream: orders }}, rewrite: '/b?c' }}"
    ));
    assert!(query.contains("write a path alone"), "{query}");
    let idle = wrong(&format!(
        "{{ {matched}, to: {{ redirect: /b }}, rewrite: /c }}"
    ));
    assert!(idle.contains("there is nothing to rewrite"), "{idle}");
    let status = wrong(&format!(
        "{{ {matched}, to: {{ redirect: {{ to: /b, status: 200 }} }} }}"
    ));
    assert!(status.contains("write one of `301`"), "{status}");
}

#[test]
fn headers_that_are_not_for_the_table_to_change_are_refused() {
    let route = |rules: &str| {
        wrong(&format!(
            "{{ match: {{ prefix: / }}, to: {{ upstream: orders }}, {rules} }}"
        ))
    };
    for (rules, expected) in [
        ("request_headers: { set: { Host: x } }", "preserve_host"),
        (
            "request_headers: { remove: [Content-Length] }",
            "on each side by itself",
        ),
        (
            "request_headers: { add: { X-Forwarded-For: 1.2.3.4 } }",
            "so that it can be believed",
        ),
        (
            "response_headers: { set: { Transfer-Encoding: gzip } }",
            "on each side by itself",
        ),
        (
            "response_headers: { remove: [X-Request-Id] }",
            "so that it can be believed",
        ),
        (
            "request_headers: { set: { 'a b': x } }",
            "write a header's name",
        ),
        (
            "request_headers: { set: { X-A: \"a\\nb\" } }",
            "write visible characters",
        ),
        ("request_headers: { sett: {} }", "did you mean `set`"),
    ] {
        let shown = route(rules);
        assert!(shown.contains(expected), "{rules}: {shown}");
    }
    let provider = "auth: { providers: { shop: { issuer: 'https://id.test', jwks_uri: 'https://id.test/jwks', audiences: [shop] } } }\n";
    let identity = refused(&with(&format!(
        "{provider}routes:\n  - {{ match: {{ prefix: / }}, to: {{ upstream: orders }}, request_headers: {{ set: {{ X-User-Id: root }} }} }}\n"
    )));
    assert!(
        identity.contains("which says who the user is"),
        "{identity}"
    );
}

#[test]
fn a_split_that_divides_nothing_is_refused() {
    for (to, expected) in [
        (
            "{ split: [ { upstream: orders, weight: 1 } ] }",
            "there is nothing to split",
        ),
        (
            "{ split: [ { upstream: orders, weight: 1 }, { upstream: orders, weight: 2 } ] }",
            "has a share already",
        ),
        ("{ split: [ { upstream: orders } ] }", "`weight` is missing"),
        (
            "{ split: [ { upstream: orders, weight: -1 } ] }",
            "write a whole number",
        ),
        ("{ upstream: orders, by: ip }", "`by` is only for `split`"),
    ] {
        let shown = wrong(&format!("{{ match: {{ prefix: / }}, to: {to} }}"));
        assert!(shown.contains(expected), "{to}: {shown}");
    }
}

#[test]
fn a_cache_that_cannot_be_is_refused() {
    for (rest, expected) in [
        ("cache: yes", "write `true` or `false`"),
        ("cache: { tll: 5s }", "did you mean `ttl`"),
        ("cache: { max_body: 1GiB }", "write at most 256MiB"),
        ("cache: { stale_if_error: 5 }", "a whole number and a unit"),
        (
            "cache: { per_user: sub }",
            "write `claim:sub` or `cookie:name`",
        ),
        (
            "cache: { per_user: 'claim:sub' }",
            "the route asks for no token",
        ),
        (
            "cache: { key: { query: [a], ignore_query: [b] } }",
            "exclude each other",
        ),
        (
            "cache: { key: { ignore_query: ['*_x'] } }",
            "write a parameter's name",
        ),
        (
            "cache: { key: { headers: ['a b'] } }",
            "write a header's name",
        ),
        ("cache: true, streaming: true", "a stream is never kept"),
    ] {
        let shown = wrong(&format!(
            "{{ match: {{ prefix: / }}, to: {{ upstream: orders }}, {rest} }}"
        ));
        assert!(shown.contains(expected), "{rest}: {shown}");
    }
    let shown = wrong("{ match: { prefix: / }, to: { respond: { status: 200 } }, cache: true }");
    assert!(shown.contains("there is nothing to keep"), "{shown}");
    let shown = refused(&with("cache: { memory: much }\nroutes: []\n"));
    assert!(shown.contains("`memory` cannot be `much`"), "{shown}");
}
