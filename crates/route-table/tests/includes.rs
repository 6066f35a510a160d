//! A table of several files is one table.

use std::path::Path;

use route_table::table::Action;
use route_table::{Source, Table, includes, load_files};

fn source<'a>(&(file, text): &(&'a str, &'a str)) -> Source<'a> {
    Source {
        file,
        text,
        base_dir: Path::new(file).parent().expect("a file"),
        env: &|name| (name == "TEAM").then(|| "orders".to_owned()),
    }
}

fn load(files: &[(&str, &str)]) -> Result<Table, String> {
    let sources: Vec<Source<'_>> = files.iter().map(source).collect();
    load_files(&sources).map_err(|errors| errors.to_string())
}

const FIRST: (&str, &str) = (
    "routes.yaml",
    "version: 1
listeners: [ { bind: '127.0.0.1:0' } ]
include: routes.d/*.yaml
upstreams: { legacy: { endpoints: ['http://127.0.0.1:1'] } }
routes: [ { match: { prefix: / }, to: { upstream: legacy } } ]
tests: [ { request: GET /api/orders/1, expect: { upstream: orders } } ]
",
);

const ORDERS: (&str, &str) = (
    "routes.d/orders.yaml",
    "version: 1
upstreams: { orders: { endpoints: ['https://127.0.0.1:2'], tls: { ca: ca.pem } } }
limits: { few: { key: ip, rate: 1/s } }
routes: [ { match: { prefix: /api/orders }, to: { upstream: orders }, limits: [few] } ]
",
);

#[test]
fn rows_of_all_files_make_one_table_and_each_knows_where_it_is() {
    let stock = (
        "routes.d/stock.yaml",
        "version: 1
routes:
  - { match: { prefix: /api/stock }, to: { upstream: legacy }, limits: [few] }
tests:
  - { request: GET /api/orders/1, expect: { upstream: orders } }
",
    );
    let table = load(&[FIRST, ORDERS, stock]).expect("a good table");
    let places: Vec<_> = table
        .routes
        .iter()
        .map(|route| {
            let place = &route.position;
            (&*place.file, place.line)
        })
        .collect();
    let expected = [
        ("routes.yaml", 5),
        ("routes.d/orders.yaml", 4),
        ("routes.d/stock.yaml", 3),
    ];
    assert_eq!(places, expected);
    let Action::Upstream(orders) = table.routes[1].action else {
        unreachable!("an upstream")
    };
    let orders = table.upstream(orders);
    assert_eq!(&*orders.name, "orders");
    let ca = orders.tls.ca.as_deref();
    assert_eq!(
        ca,
        Some(Path::new("routes.d/ca.pem")),
        "beside the file that names it"
    );
}

#[test]
fn mistakes_of_all_files_are_said_at_once_each_in_its_own() {
    let orders = (
        ORDERS.0,
        "version: 1
listeners: []
upstreams: { legacy: { endpoints: ['http://127.0.0.1:2'] } }
routes:
  - { match: { prefix: /api/orders }, to: { upstream: ordres } }
",
    );
    let stock = (
        "routes.d/stock.yaml",
        "routes: { }\nmigrations: []\nrutes: []\n",
    );
    let broken = ("routes.d/zebra.yaml", "version: 1\nroutes: [\n");
    let empty = ("routes.d/zero.yaml", "");
    let list = ("routes.d/zoo.yaml", "- a\n");
    let shown = load(&[FIRST, orders, stock, broken, empty, list]).expect_err("mistakes");
    for expected in [
        "routes.d/orders.yaml:2:1: `listeners` is no key of an included file",
        "2 | listeners: []",
        "routes.d/orders.yaml:3:14: `legacy` is in `upstreams` already, at routes.yaml:4",
        "routes.d/orders.yaml:5:55: `ordres` is not defined in `upstreams`",
        "routes.d/stock.yaml:1:1: `version` is missing",
        "routes.d/stock.yaml:1:9: `routes` must be a list, not a mapping",
        "routes.d/stock.yaml:2:13: `migrations` must be a mapping, not a list",
        "routes.d/stock.yaml:3:1: `rutes` is no key",
        "did you mean `routes`?",
        "routes.d/zebra.yaml:3:1: this is not YAML",
        "routes.d/zero.yaml:1:1: the file is empty",
        "routes.d/zoo.yaml:1:1: an included file must be a mapping",
    ] {
        assert!(shown.contains(expected), "{expected}\n\n{shown}");
    }
}

#[test]
fn a_test_of_one_file_fails_for_what_another_says() {
    let orders = ORDERS.1.replace("/api/orders", "/api/order");
    let shown = load(&[FIRST, (ORDERS.0, &orders)]).expect_err("a failing test");
    assert!(
        shown.starts_with("routes.yaml:6:10: test failed"),
        "{shown}"
    );
}

#[test]
fn a_route_that_an_earlier_file_shadows_is_named_in_its_own() {
    let other = ("routes.d/other.yaml", ORDERS.1);
    let other = (
        other.0,
        &*other.1.replace("orders:", "others:").replace("few", "rare"),
    );
    let shown = load(&[FIRST, ORDERS, other]).expect_err("a shadowed route");
    assert!(shown.contains("routes.d/other.yaml:4:"), "{shown}");
}

#[test]
fn what_is_included_is_known_before_the_table_is_read() {
    let patterns = |text: &str| -> Vec<(u32, String)> {
        let found = includes(&source(&("routes.yaml", text)));
        let found = found.into_iter();
        found.map(|one| (one.position.line, one.pattern)).collect()
    };
    assert_eq!(patterns("include: a.yaml"), [(1, "a.yaml".to_owned())]);
    let list = "version: 1\ninclude:\n- a/*.yaml\n- '${TEAM}.yaml'\n- ''\n- {}\n";
    let expected = [(3, "a/*.yaml".to_owned()), (4, "orders.yaml".to_owned())];
    assert_eq!(patterns(list), expected);
    for nothing in [
        "version: 1",
        "include:",
        "include: {}",
        "include: [",
        "",
        "- include",
    ] {
        assert_eq!(patterns(nothing), [], "{nothing:?}");
    }
}

#[test]
fn an_include_that_names_nothing_is_refused() {
    for (include, expected) in [
        ("''", "`include` names no file"),
        ("[ {} ]", "`include` must be a value, not a mapping"),
    ] {
        let first = FIRST.1.replace("routes.d/*.yaml", include);
        let shown = load(&[(FIRST.0, &first), ORDERS]).expect_err(include);
        assert!(shown.contains(expected), "{shown}");
    }
}
