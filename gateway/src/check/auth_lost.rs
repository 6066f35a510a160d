//! Authentication that a table no longer asks for, without traffic to replay: every row of either table is
//! asked for with the requests that it is there for.

use std::collections::HashSet;
use std::sync::Arc;

use route_table::Table;
use route_table::lint::{Finding, Lint, Sample, Sampler};
use route_table::table::Route;

use crate::plan::Asked;

/// Finds requests that need less authentication than in the table before. Rows whose path is a regular
/// expression are compared with the row that has the same one.
pub(crate) fn auth_lost(old: &Table, new: &Table) -> Vec<Finding> {
    let mut seen: HashSet<(Arc<str>, Arc<str>)> = HashSet::new();
    let mut findings = Vec::new();
    let mut compare = |before: &Route, after: &Route, request: &str| {
        let names = (Arc::clone(&before.name), Arc::clone(&after.name));
        if !seen.insert(names) {
            return;
        }
        let asked = Asked::of(old, before.policy.auth.as_ref());
        let asks = Asked::of(new, after.policy.auth.as_ref());
        if let Some(lost) = asked.lost_by(&asks) {
            let message = format!(
                "row `{}` takes {request}, for which row `{}` asked more: {lost}",
                after.name, before.name
            );
            findings.push(Finding {
                lint: Lint::AuthLost,
                position: after.position.clone(),
                message,
                mend: "write the `auth` of before, or `--allow auth-lost` where it is meant"
                    .to_owned(),
            });
        }
    };
    let (old_sampler, new_sampler) = (Sampler::of(old), Sampler::of(new));
    let of_old = old.routes.iter().flat_map(|row| old_sampler.samples(row));
    let of_new = new.routes.iter().flat_map(|row| new_sampler.samples(row));
    for sample in of_old.chain(of_new) {
        let (before, after) = (old.find(&sample.facts()), new.find(&sample.facts()));
        if let (Some(before), Some(after)) = (before, after) {
            compare(before.route, after.route, &request(&sample));
        }
    }
    let has_none = |row: &&Route| old_sampler.samples(row).is_empty();
    for before in old.routes.iter().filter(has_none) {
        let path = &before.matches.path.text;
        let same = |row: &&Route| {
            row.matches.path.text == *path && row.matches.host == before.matches.host
        };
        if let Some(after) = new.routes.iter().find(same) {
            compare(before, after, &format!("`{path}`"));
        }
    }
    findings
}

fn request(sample: &Sample) -> String {
    format!("`{} {}`", sample.method, sample.path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::table_for_test as table;

    const HEAD: &str = "version: 1
listeners: [ { bind: '127.0.0.1:0' } ]
upstreams: { a: { endpoints: ['http://127.0.0.1:1'] } }
auth:
  providers:
    shop: { issuer: i, jwks_uri: 'http://127.0.0.1:1', audiences: [a] }
routes:
";

    /// What is lost between two tables; a row is its path and what it asks.
    fn lost(old: &[(&str, &str)], new: &[(&str, &str)]) -> Vec<String> {
        let load = |rows: &[(&str, &str)]| {
            let rows = rows.iter().map(|(path, auth)| {
                format!("- {{ match: {{ {path} }}, to: {{ upstream: a }}, auth: {auth} }}\n")
            });
            table(&(HEAD.to_owned() + &rows.collect::<String>()))
        };
        let found = auth_lost(&load(old), &load(new)).into_iter();
        found.map(|finding| finding.message).collect()
    }

    const SHOP: &str = "{ provider: shop }";

    #[test]
    fn a_row_that_asks_less_is_found() {
        for (old, new, expected) in [
            (
                ("path: '/a/{id}'", SHOP),
                ("path: '/a/{id}'", "none"),
                "row `/a/{id}` takes `GET /a/any-7d1e`, for which row `/a/{id}` asked more",
            ),
            (
                ("prefix: /a", "{ provider: shop, scopes: [read] }"),
                ("prefix: /a", SHOP),
                "no longer asked for: shop: scope read",
            ),
            (
                ("regex: '/a[0-9]+'", SHOP),
                ("regex: '/a[0-9]+'", "none"),
                "row `/a[0-9]+` takes `/a[0-9]+`",
            ),
            (
                ("path: /a, methods: [GET], headers: { x: '*' }", SHOP),
                ("prefix: /", "none"),
                "row `/*` takes `GET /a`",
            ),
        ] {
            let found = lost(&[old], &[new]);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(expected), "{found:?}");
            assert_eq!(lost(&[new], &[old]), [""; 0], "more is asked");
        }
    }

    #[test]
    fn a_new_row_that_takes_protected_requests_is_found() {
        let old = [("prefix: /api", SHOP)];
        let new = [
            ("prefix: /api", SHOP),
            ("path: '/api/{name}/public'", "none"),
        ];
        let found = lost(&old, &new);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("row `/api/{name}/public` takes"),
            "{found:?}"
        );
    }

    #[test]
    fn a_removed_row_whose_requests_nobody_takes_loses_nothing() {
        assert_eq!(
            lost(&[("path: /a", SHOP)], &[("path: /b", "none")]),
            [""; 0]
        );
    }
}
