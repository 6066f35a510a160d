//! Mistakes in what a row says of answers, each with its mend.

use route_table::{Source, load};

/// What a person reads of a table whose one route has these keys.
#[track_caller]
fn wrong(keys: &str) -> String {
    wrong_table(&format!(
        "routes:\n  - {{ match: {{ prefix: / }}, to: {{ upstream: orders }}, {keys} }}\n"
    ))
}

#[track_caller]
fn wrong_table(rest: &str) -> String {
    let text = format!(
        "version: 1\nlisteners: [ {{ bind: '127.0.0.1:0' }} ]\n\
         upstreams: {{ orders: {{ endpoints: ['http://127.0.0.1:1'] }} }}\n{rest}"
    );
    let source = Source {
        file: "routes.yaml",
        text: &text,
        base_dir: std::path::Path::new("."),
        env: &|_| None,
    };
    let errors = load(&source).expect_err("a table with mistakes");
    errors.to_string()
}

#[test]
fn origins_that_no_browser_sends_are_refused() {
    for (keys, expected) in [
        ("cors: {}", "`origins` is missing in `cors`"),
        ("cors: { origins: [] }", "`origins` names none"),
        (
            "cors: { origins: shop.test }",
            "write scheme, host and port",
        ),
        (
            "cors: { origins: 'https://Shop.test' }",
            "in lower case: `https://shop.test`",
        ),
        (
            "cors: { origins: ['https://shop.test/'] }",
            "an origin has no path: `https://shop.test`",
        ),
        (
            "cors: { origins: ['https://shop.test:443'] }",
            "leave the scheme's own port out: `https://shop.test`",
        ),
        ("cors: { origins: ['https://a.*.test'] }", "write scheme"),
        ("cors: { origins: ['https://*shop.test'] }", "write scheme"),
        ("cors: { origins: ['https://*'] }", "write scheme"),
        (
            "cors: { origins: ['*', 'https://a.test'] }",
            "leave either out",
        ),
        (
            "cors: { origins: '*', credentials: true }",
            "list the origins that may",
        ),
        (
            "cors: { origins: '*', methods: [get] }",
            "methods are in capitals: `GET`",
        ),
        (
            "cors: { origins: '*', headers: ['a b'] }",
            "write a header's name",
        ),
        ("cors: { origins: '*', expose: ['*'] }", "name them"),
        ("cors: { origin: '*' }", "did you mean `origins`"),
    ] {
        let shown = wrong(keys);
        assert!(shown.contains(expected), "{keys}: {shown}");
    }
}

#[test]
fn what_cannot_be_compressed_or_compresses_nothing_is_refused() {
    for (keys, expected) in [
        ("compress: yes", "write `true` or `false`"),
        (
            "compress: { algorithms: [deflate] }",
            "write one of `zstd`, `br`, `gzip`",
        ),
        ("compress: { algorithms: [] }", "`algorithms` names none"),
        ("compress: { types: [text] }", "write a media type such as"),
        ("compress: { types: ['*/*'] }", "write a media type such as"),
        (
            "compress: { min_size: 1024 }",
            "write a whole number and a unit",
        ),
        ("compress: { min: 1KiB }", "`min` is no key of `compress`"),
    ] {
        let shown = wrong(keys);
        assert!(shown.contains(expected), "{keys}: {shown}");
    }
}

#[test]
fn maintenance_says_when_to_come_back_and_who_is_let_in() {
    for (keys, expected) in [
        ("maintenance: soon", "write `true` or `false`"),
        (
            "maintenance: { retry_after: 0s }",
            "write a time above zero",
        ),
        (
            "maintenance: { except: [office] }",
            "write a network such as",
        ),
        (
            "maintenance: { until: noon }",
            "`until` is no key of `maintenance`",
        ),
    ] {
        let shown = wrong(keys);
        assert!(shown.contains(expected), "{keys}: {shown}");
        let whole = format!(
            "{keys}\nroutes: [ {{ match: {{ prefix: / }}, to: {{ upstream: orders }} }} ]\n"
        );
        assert!(wrong_table(&whole).contains(expected), "{keys}, of all");
    }
}

#[test]
fn an_answer_has_one_body_and_one_media_type_and_pages_are_for_failures() {
    for (to, expected) in [
        ("body: a, body_file: a.txt", "an answer has one body"),
        (
            "headers: { Content-Type: text/html }",
            "write `content_type:` beside it",
        ),
        ("headers: { Content-Length: 1 }", "on each side by itself"),
        ("body_file: ''", "`body_file` names no file"),
    ] {
        let route =
            format!("routes: [ {{ match: {{ prefix: / }}, to: {{ respond: {{ {to} }} }} }} ]\n");
        let shown = wrong_table(&route);
        assert!(shown.contains(expected), "{to}: {shown}");
    }
    for (keys, expected) in [
        (
            "error_pages: { 200: a.html }",
            "there are no error pages for `200`",
        ),
        (
            "error_pages: { 3xx: a.html }",
            "there are no error pages for `3xx`",
        ),
        ("error_pages: { 404: [a.html] }", "must be a value"),
        ("error_pages: { intercept: 5xx }", "write `true` or `false`"),
        ("error_pages: a.html", "`error_pages` must be a mapping"),
    ] {
        let shown = wrong(keys);
        assert!(shown.contains(expected), "{keys}: {shown}");
    }
}
