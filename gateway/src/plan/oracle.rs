//! The replay agrees with a naive one: every line by itself, every row of every table looked at.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;
use route_table::Table;
use route_table::table::RouteId;

use super::change;
use super::replay::{Progress, replay};
use super::report::Kind;
use super::tally::Tables;
use super::worlds::{Wanted, Ways};
use crate::routing::table_for_test;

struct Nobody;

impl Progress for Nobody {
    fn read(&self, _bytes: u64) {}
}

/// A row as a test describes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    path: &'static str,
    host: Option<&'static str>,
    method: Option<&'static str>,
    header: bool,
    query: bool,
    to: &'static str,
    auth: &'static str,
    limit: bool,
}

const PATHS: [&str; 6] = ["/a", "/a/b", "/a/{id}", "/{x}/b", "/a/{*rest}", "/{*rest}"];
const HOSTS: [&str; 2] = ["shop.test", "x.test"];
const AUTHS: [&str; 4] = [
    "none",
    "{ provider: shop }",
    "{ provider: shop, scopes: [read] }",
    "{ provider: shop, optional: true }",
];

fn row() -> impl Strategy<Value = Row> {
    (
        prop::sample::select(&PATHS[..]),
        prop::option::of(prop::sample::select(&HOSTS[..])),
        prop::option::of(prop::sample::select(&["GET", "POST"][..])),
        any::<bool>(),
        any::<bool>(),
        prop::sample::select(&["one", "other"][..]),
        prop::sample::select(&AUTHS[..]),
        any::<bool>(),
    )
        .prop_map(|(path, host, method, header, query, to, auth, limit)| Row {
            path,
            host,
            method,
            header,
            query,
            to,
            auth,
            limit,
        })
}

/// Rows of which no two take the same.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(row(), 1..8).prop_map(|mut rows| {
        let key = |row: &Row| (row.path, row.host, row.method, row.header, row.query);
        rows.sort_by_key(key);
        rows.dedup_by_key(|row| key(row));
        rows
    })
}

fn table(rows: &[Row]) -> Table {
    let mut text = "version: 1\nlisteners: [{ bind: '127.0.0.1:0' }]\n\
        auth: { providers: { shop: { issuer: 'https://i.test', jwks_uri: 'http://127.0.0.1:1/jwks', audiences: [a] } } }\n\
        limits: { few: { key: ip, rate: 1/s } }\n\
        upstreams:\n  one: { endpoints: ['http://127.0.0.1:1'] }\n  \
        other: { endpoints: ['http://127.0.0.1:2'], strip_prefix: /a }\nroutes:\n"
        .to_owned();
    for (index, row) in rows.iter().enumerate() {
        let mut wanted = format!("path: '{}'", row.path);
        for (key, value) in [("host", row.host), ("methods", row.method)] {
            if let Some(value) = value {
                write!(wanted, ", {key}: {value}").expect("a string");
            }
        }
        if row.header {
            wanted.push_str(", headers: { x-beta: '1' }");
        }
        if row.query {
            wanted.push_str(", query: { v: '2' }");
        }
        let limits = if row.limit { ", limits: [few]" } else { "" };
        let Row { to, auth, .. } = row;
        writeln!(
            text,
            "- {{ name: r{index}, match: {{ {wanted} }}, to: {{ upstream: {to} }}, auth: {auth}{limits} }}"
        )
        .expect("a string");
    }
    table_for_test(&text)
}

/// A line of a log, of which `logged` says whether values were wanted in it.
#[derive(Debug, Clone)]
struct Asked {
    host: &'static str,
    path: &'static str,
    method: &'static str,
    header: Option<&'static str>,
    query: Option<&'static str>,
    logged: bool,
}

fn asked() -> impl Strategy<Value = Asked> {
    (
        prop::sample::select(&["shop.test", "x.test", "other.test"][..]),
        prop::sample::select(&["/a", "/a/b", "/a/c", "/c/b", "/a/b/c", "/"][..]),
        prop::sample::select(&["GET", "POST", "HEAD"][..]),
        prop::option::of(prop::sample::select(&["1", "2"][..])),
        prop::option::of(prop::sample::select(&["1", "2"][..])),
        any::<bool>(),
    )
        .prop_map(|(host, path, method, header, query, logged)| Asked {
            host,
            path,
            method,
            header,
            query,
            logged,
        })
}

fn log_line(asked: &Asked) -> String {
    let Asked {
        host, path, method, ..
    } = asked;
    let mut line = serde_json::json!({ "host": host, "path": path, "method": method });
    let list = |value: Option<&str>| value.into_iter().map(str::to_owned).collect::<Vec<_>>();
    if asked.query.is_some() {
        line["query"] = "v=…".into();
    }
    if asked.logged {
        line["match"] = serde_json::json!({
            "header:x-beta": list(asked.header),
            "query:v": list(asked.query),
        });
    }
    line.to_string()
}

/// How good a path is for a request's, segment by segment; smaller is better.
fn rank(pattern: &str, path: &str) -> Option<Vec<u8>> {
    let (pattern, path): (Vec<_>, Vec<_>) = (
        pattern.split('/').skip(1).collect(),
        path.split('/').skip(1).collect(),
    );
    let mut rank = Vec::new();
    for (index, part) in pattern.iter().enumerate() {
        let segment = path.get(index)?;
        if part.starts_with("{*") {
            rank.push(2);
            return Some(rank);
        }
        rank.push(match *part {
            part if part.starts_with('{') && !segment.is_empty() => 1,
            part if part == *segment => 0,
            _ => return None,
        });
    }
    (pattern.len() == path.len()).then_some(rank)
}

/// All that a request may have been.
fn worlds(asked: &Asked) -> Vec<Asked> {
    if asked.logged {
        return vec![asked.clone()];
    }
    let query: &[_] = match asked.query {
        None => &[None],
        Some(_) => &[Some("2"), Some("another")],
    };
    let headers = [None, Some("1"), Some("another")];
    let with = |header| {
        let asked = asked.clone();
        query.iter().map(move |query| Asked {
            header,
            query: *query,
            ..asked.clone()
        })
    };
    headers.into_iter().flat_map(with).collect()
}

/// The row that takes a request, by a look at each of them.
fn taken(rows: &[Row], asked: &Asked) -> Option<RouteId> {
    let fitting = rows.iter().enumerate().filter_map(|(index, row)| {
        let host = row.host.is_none_or(|host| host == asked.host);
        let method = row.method.is_none_or(|wanted| {
            wanted == asked.method || (wanted == "GET" && asked.method == "HEAD")
        });
        let header = !row.header || asked.header == Some("1");
        let query = !row.query || asked.query == Some("2");
        let path = rank(row.path, asked.path).filter(|_| host && method && header && query)?;
        Some((
            row.host.is_none(),
            path,
            row.method.is_none(),
            !row.header,
            !row.query,
            index,
        ))
    });
    let index = fitting.min().map(|(.., index)| index);
    index.map(|index| RouteId(u32::try_from(index).expect("a few rows")))
}

fn naive_ways(old: &[Row], new: &[Row], asked: &Asked) -> Ways {
    let worlds = worlds(asked);
    let mut ways: Ways = worlds
        .iter()
        .map(|world| (taken(old, world), taken(new, world)))
        .collect();
    ways.sort_unstable();
    ways.dedup();
    ways
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_replay_comes_to_what_a_look_at_every_line_and_row_comes_to(
        old in rows(),
        new in rows(),
        log in prop::collection::vec(asked(), 0..60),
    ) {
        let (old_table, new_table) = (table(&old), table(&new));
        let wanted = Wanted::by([&old_table, &new_table]);
        let tables = Tables { old: &old_table, new: &new_table, wanted: &wanted };
        let text: String = log.iter().map(|asked| log_line(asked) + "\n").collect();
        let report = replay(&old_table, &new_table, text.as_bytes(), &Nobody).expect("in memory");

        let mut unchanged = 0;
        let mut expected = BTreeMap::<(Kind, String), u64>::new();
        for asked in &log {
            let changes = change::of(tables, &naive_ways(&old, &new, asked));
            unchanged += u64::from(changes.is_empty());
            for change in changes {
                *expected.entry(change).or_default() += 1;
            }
        }
        prop_assert_eq!(report.requests, log.len() as u64);
        prop_assert_eq!(report.unchanged, unchanged);
        let mut found = BTreeMap::<(Kind, String), u64>::new();
        for change in &report.changes {
            *found.entry((change.kind, change.detail.clone())).or_default() += change.requests;
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_table_changes_nothing_against_itself(rows in rows(), log in prop::collection::vec(asked(), 1..40)) {
        let table = table(&rows);
        let text: String = log.iter().map(|asked| log_line(asked) + "\n").collect();
        let report = replay(&table, &table, text.as_bytes(), &Nobody).expect("in memory");
        prop_assert!(report.changes.is_empty(), "{:?}", report.changes);
        prop_assert_eq!(report.unchanged, log.len() as u64);
    }

    #[test]
    fn what_nobody_wrote_is_counted_and_not_feared(lines in prop::collection::vec("[ -~]{0,40}", 0..20)) {
        let table = table(&[Row { path: "/a", host: None, method: None, header: false, query: false, to: "one", auth: "none", limit: false }]);
        let text = lines.join("\n");
        let report = replay(&table, &table, text.as_bytes(), &Nobody).expect("in memory");
        let counted = report.requests + report.unreadable + report.not_matched;
        let written = lines.iter().filter(|line| !line.trim().is_empty()).count();
        prop_assert_eq!(counted, written as u64);
    }
}
