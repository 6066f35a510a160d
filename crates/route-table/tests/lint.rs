//! What is allowed and seldom meant is found, each with its code and its place.

use route_table::lint::{Sampler, lint};
use route_table::{Source, Table, load};

#[track_caller]
fn table(rest: &str) -> Table {
    let text = format!(
        "version: 1\nlisteners: [ {{ bind: '127.0.0.1:0' }} ]\n\
         upstreams:\n  a: {{ endpoints: ['http://127.0.0.1:1'] }}\n{rest}"
    );
    let source = Source {
        file: "routes.yaml",
        text: &text,
        base_dir: std::path::Path::new("."),
        env: &|_| None,
    };
    load(&source).expect("a good table")
}

/// `line code: message` of every finding.
#[track_caller]
fn found(rest: &str) -> Vec<String> {
    let findings = lint(&table(rest)).into_iter();
    let shown = findings.map(|finding| {
        let (line, code) = (finding.position.line, finding.lint.code());
        assert!(!finding.mend.is_empty());
        format!("{line} {code}: {}", finding.message)
    });
    shown.collect()
}

/// Rows to `a`.
fn rows(rows: &[&str]) -> String {
    let rows = rows
        .iter()
        .map(|row| format!("- {{ to: {{ upstream: a }}, {row} }}\n"));
    format!("routes:\n{}", rows.collect::<String>())
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_plain_table_is_without_findings() {
    assert_eq!(found(&rows(&["match: { prefix: / }"])), NOTHING);
}

#[test]
fn names_that_no_row_uses_are_found() {
    let rest = "  b: { endpoints: ['http://127.0.0.1:2'] }
  m: { endpoints: ['http://127.0.0.1:2'] }
auth:
  providers:
    p: { issuer: i, jwks_uri: 'http://127.0.0.1:1', audiences: [a], on_outage: { stale: 1h } }
limits:
  l: { key: ip, rate: 1/s }
migrations:
  g: { from: a, to: m, stage: monolith }
";
    let row = rows(&["match: { prefix: / }, mirror: { upstream: m }"]);
    let expected = [
        "5 unused-name: upstream `b` is used by no row",
        "9 unused-name: provider `p` is used by no row",
        "11 unused-name: limit `l` is used by no row",
        "13 unused-name: migration `g` is used by no row",
    ];
    assert_eq!(found(&(rest.to_owned() + &row)), expected);
    let row = rows(&[
        "match: { prefix: / }, auth: { provider: p }, limits: [l], mirror: { upstream: m }",
    ]);
    let row = row
        + "- { match: { path: /g }, to: { migration: g } }\n\
                     - { match: { path: /s }, to: { split: [ { upstream: a, weight: 1 }, { upstream: b, weight: 1 } ] } }\n";
    assert_eq!(found(&(rest.to_owned() + &row)), NOTHING);
}

#[test]
fn a_row_that_several_others_leave_nothing_is_found() {
    for (others, row, expected) in [
        (
            vec![
                "match: { path: /x, methods: [GET] }",
                "match: { path: /x, methods: [POST] }",
            ],
            "match: { path: /x, methods: [GET, POST] }, name: both",
            Some(
                "8 unreachable-route: row `both` never serves: `GET /x`, `POST /x` take all that it would",
            ),
        ),
        (
            vec![
                "match: { path: /x, methods: [GET] }",
                "match: { path: /x, methods: [POST] }",
            ],
            "match: { path: /x, methods: [GET, PUT] }, name: both",
            None,
        ),
        (
            vec!["match: { prefix: / }"],
            "match: { regex: '/v[0-9]+' }, name: expression",
            Some("7 unreachable-route: row `expression` never serves: `/*` take all that it would"),
        ),
        (
            vec!["match: { prefix: /, headers: { x: '1' } }"],
            "match: { regex: '/v[0-9]+' }, name: expression",
            None,
        ),
        (vec!["match: { path: '/{a}' }"], "match: { path: /x }", None),
        (
            vec!["match: { prefix: /, host: shop.test }"],
            "match: { prefix: / }",
            None,
        ),
    ] {
        let rest = rows(&[&others[..], &[row]].concat());
        let found = found(&rest);
        assert_eq!(found.first().map(String::as_str), expected, "{rest}");
    }
}

#[test]
fn listeners_that_only_redirect_serve_no_row() {
    let source = Source {
        file: "routes.yaml",
        text: "version: 1\nlisteners: [ { bind: '127.0.0.1:0', redirect_to_https: 8443 } ]\n\
               routes: [ { match: { prefix: / }, to: { respond: {} } } ]\n",
        base_dir: std::path::Path::new("."),
        env: &|_| None,
    };
    let findings = lint(&load(&source).expect("a good table"));
    assert_eq!(findings[0].lint.code(), "unreachable-route");
    assert!(findings[0].message.contains("every listener redirects"));
}

#[test]
fn timeouts_that_end_before_what_is_inside_them_are_found() {
    let provider = "auth:
  providers:
    p: { forward: { upstream: a, path: /, claims: body, timeout: 2s, on_outage: { stale: 1m } } }
";
    for (keys, expected) in [
        (
            "timeout: 5s, try_timeout: 5s",
            Some("`timeout` (5s) ends before `try_timeout` (5s) does"),
        ),
        (
            "timeout: 5s, try_timeout: 2s, retries: { attempts: 2, on: [timeout] }",
            Some("3 attempts of 2s take up to 6s, and `timeout` is 5s"),
        ),
        (
            "timeout: 6s, try_timeout: 2s, retries: { attempts: 2, on: [timeout] }",
            None,
        ),
        (
            "timeout: 5s, try_timeout: 2s, retries: { attempts: 2, on: [reset] }",
            None,
        ),
        (
            "timeout: 1s",
            Some("`timeout` (1s) ends before a connect to `a` may (1s)"),
        ),
        (
            "try_timeout: 500ms",
            Some("`try_timeout` (500ms) ends before a connect to `a` may (1s)"),
        ),
        ("timeout: 1100ms", None),
        (
            "timeout: 2s, auth: { provider: p }",
            Some("`timeout` (2s) ends before provider `p` may answer (2s)"),
        ),
        ("timeout: 3s, auth: { provider: p }", None),
        ("timeout: 1ms, streaming: true", None),
    ] {
        let row = format!("match: {{ prefix: / }}, {keys}");
        let used = if keys.contains("provider") {
            provider
        } else {
            ""
        };
        let found = found(&(used.to_owned() + &rows(&[&row])));
        match expected {
            Some(expected) => {
                assert!(found[0].contains(" nested-timeouts: "), "{found:?}");
                assert!(found[0].ends_with(expected), "{found:?}");
            }
            None => assert_eq!(found, NOTHING, "{keys}"),
        }
    }
}

const BFF: &str = "  bff: { endpoints: ['http://127.0.0.1:2'], calls: /api }\n";

fn with_bff(outer: &str, inner: &str) -> Vec<String> {
    let rest = format!(
        "{BFF}routes:\n- {{ match: {{ prefix: /web }}, to: {{ upstream: bff }}, {outer} }}\n\
         - {{ match: {{ path: '/api/orders/{{id}}' }}, to: {{ upstream: a }}, {inner} }}\n"
    );
    found(&rest)
}

#[test]
fn retries_upon_retries_are_found() {
    let found = with_bff("retries: 2", "retries: 1");
    assert_eq!(
        found,
        [
            "5 retry-amplification: one request may become 6 at `a`: 3 of `/web/*` × 2 of what `bff` asks there \
          (/api/orders/{id})"
        ]
    );
    for (outer, inner) in [
        ("retries: 0", "retries: 5"),
        ("retries: { on: [] }", "retries: 5"),
        ("retries: 5", "retries: 0"),
        ("retries: 5", "retries: { on: [] }"),
    ] {
        assert_eq!(with_bff(outer, inner), NOTHING, "{outer} {inner}");
    }
}

#[test]
fn a_row_that_gives_up_before_what_its_upstream_asks_is_found() {
    let found = with_bff("retries: 0, timeout: 5s", "timeout: 6s");
    assert_eq!(
        found,
        [
            "7 nested-timeouts: row `/web/*`: `timeout` (5s) ends before rows that `bff` asks may answer: \
          `/api/orders/{id}`"
        ]
    );
    assert_eq!(with_bff("retries: 0, timeout: 5s", "timeout: 5s"), NOTHING);
}

#[test]
fn upstreams_that_ask_each_other_in_a_circle_are_found() {
    let rest = "  b: { endpoints: ['http://127.0.0.1:2'], calls: [/c] }
  c: { endpoints: ['http://127.0.0.1:3'], calls: [/b/x] }
routes:
- { match: { prefix: /b }, to: { upstream: b } }
- { match: { prefix: /c }, to: { upstream: c } }
- { match: { prefix: / }, to: { upstream: a } }
";
    let found = found(rest);
    assert_eq!(
        found,
        [
            "5 call-loop: `b` asks rows that lead back to it",
            "6 call-loop: `c` asks rows that lead back to it",
        ]
    );
}

#[test]
fn dependencies_without_a_word_on_their_outage_are_found() {
    let provider = |keys: &str| {
        let row = rows(&["match: { prefix: / }, auth: { provider: p }"]);
        found(&format!("auth:\n  providers:\n    p: {{ {keys} }}\n{row}"))
    };
    let jwt = "issuer: i, jwks_uri: 'http://127.0.0.1:1', audiences: [a]";
    let expected = "7 missing-outage-policy: provider `p` does not say what holds while its keys can't be fetched";
    assert_eq!(provider(jwt), [expected]);
    assert_eq!(
        provider(&format!("{jwt}, on_outage: {{ stale: 1h }}")),
        NOTHING
    );
    let expected = "7 missing-outage-policy: provider `p` does not say what holds while the service it asks is away";
    assert_eq!(
        provider("forward: { upstream: a, path: /, claims: body }"),
        [expected]
    );
    let said = "forward: { upstream: a, path: /, claims: body, on_outage: { stale: 1m } }";
    assert_eq!(provider(said), NOTHING);
}

#[test]
fn samples_are_taken_by_the_rows_they_were_made_for() {
    let rest = rows(&[
        "match: { path: '/orders/{id}', methods: [GET, POST] }",
        "match: { prefix: /orders, host: '*.shop.test' }",
        "match: { path: /, host: shop.test, headers: { x-a: '1', x-b: '*' } }",
        "match: { prefix: /, query: { q: 'a b', r: '*' }, cookies: { c: '1', d: '*' } }",
        "match: { prefix: /inside, client_ip: ['10.0.0.0/8'] }",
        "match: { prefix: / }",
        "match: { regex: '/[0-9]+', host: example.test }",
    ]);
    let table = table(&rest);
    let sampler = Sampler::of(&table);
    let mut counts = Vec::new();
    for route in &table.routes {
        let samples = sampler.samples(route);
        counts.push(samples.len());
        for sample in samples {
            let taker = table.find(&sample.facts()).expect("a row");
            assert_eq!(taker.route.name, route.name, "{sample:?}");
        }
    }
    assert_eq!(counts, [2, 2, 2, 2, 2, 2, 0]);
}
