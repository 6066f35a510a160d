//! Rows that never serve. A row behind one other that takes all it would is an error when the table is read;
//! here several do so together, or one with a coarser path.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::sample::Sampler;
use super::{Finding, Lint, some_of};
use crate::table::{ListenerKind, PathKind, Route, RouteId, Table};

pub(super) fn check(table: &Table, findings: &mut Vec<Finding>) {
    let sampler = Sampler::of(table);
    let found = (0..)
        .map(RouteId)
        .zip(&table.routes)
        .filter_map(|(id, route)| {
            let takers = takers(table, &sampler, id, route)?;
            let names: Vec<&str> = takers.iter().map(|name| &**name).collect();
            Some(Finding {
                lint: Lint::UnreachableRoute,
                position: route.position.clone(),
                message: format!(
                    "row `{}` never serves: {} take all that it would",
                    route.name,
                    some_of(&names)
                ),
                mend: "remove it, or ask less of its requests than the others do".to_owned(),
            })
        });
    findings.extend(found);
    no_listener(table, findings);
}

/// The rows that take a row's requests, if they take all of them.
fn takers(
    table: &Table,
    sampler: &Sampler,
    id: RouteId,
    route: &Route,
) -> Option<BTreeSet<Arc<str>>> {
    if matches!(route.matches.path.kind, PathKind::Regex(_)) {
        return catch_all(table, route);
    }
    let mut takers = BTreeSet::new();
    for sample in sampler.samples(route) {
        let taker = table.find(&sample.facts())?;
        if taker.id == id {
            return None;
        }
        takers.insert(Arc::clone(&taker.route.name));
    }
    (!takers.is_empty()).then_some(takers)
}

/// Regular expressions are tried last: a row for everything on the same hosts leaves them nothing.
fn catch_all(table: &Table, route: &Route) -> Option<BTreeSet<Arc<str>>> {
    let takes_all = |other: &&Route| {
        let same_hosts = other.matches.host == route.matches.host;
        let is_root = matches!(other.matches.path.kind, PathKind::Prefix)
            && &*other.matches.path.text == "/*";
        same_hosts && is_root && other.matches.conditions.is_none()
    };
    let taker = table.routes.iter().find(takes_all)?;
    Some(BTreeSet::from([Arc::clone(&taker.name)]))
}

fn no_listener(table: &Table, findings: &mut Vec<Finding>) {
    let redirects = |kind| matches!(kind, ListenerKind::RedirectToHttps { .. });
    let Some(listener) = table.listeners.first() else {
        return;
    };
    if table
        .listeners
        .iter()
        .all(|listener| redirects(listener.kind))
    {
        findings.push(Finding {
            lint: Lint::UnreachableRoute,
            position: listener.position.clone(),
            message: "no row serves: every listener redirects to https".to_owned(),
            mend: "add a listener with `tls`".to_owned(),
        });
    }
}
