//! What it means for a request to go by another route than before.

use std::collections::BTreeSet;

use route_table::Table;
use route_table::table::{Action, Route, RouteId};

use crate::migration;
use crate::plan::auth::Asked;
use crate::plan::report::Kind;
use crate::plan::tally::Tables;
use crate::plan::worlds::{Way, Ways};

/// All that a route means for a request, in words: two routes that say the same are alike, whatever they
/// are called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Meaning {
    served: bool,
    /// An upstream, or the table's own answer.
    to: String,
    auth: Asked,
    limits: BTreeSet<String>,
    rewrite: String,
    /// The answer stands in the table: nobody's data is in it.
    fixed: bool,
}

/// What happens to requests that may go these ways; empty: nothing.
pub(super) fn of(tables: Tables<'_>, ways: &Ways) -> Vec<(Kind, String)> {
    let change = |(old, new): &Way| changes(&meaning(tables.old, *old), &meaning(tables.new, *new));
    let mut all = ways.iter().map(change);
    let first = all.next().unwrap_or_default();
    // What cannot be told apart may still come to the same.
    if all.all(|other| other == first) {
        return first;
    }
    let asks = |table: &Table, id: Option<RouteId>| {
        id.is_some_and(|id| table.route(id).policy.auth.is_some())
    };
    let auth = |(old, new): &Way| asks(tables.old, *old) || asks(tables.new, *new);
    let kind = if ways.iter().any(auth) {
        Kind::UndeterminedAuth
    } else {
        Kind::Undetermined
    };
    let detail = "what these rows ask for was not logged: see access_log.match_fields";
    vec![(kind, detail.to_owned())]
}

fn meaning(table: &Table, id: Option<RouteId>) -> Meaning {
    let Some(route) = id.map(|id| table.route(id)) else {
        return Meaning::default();
    };
    let limits = route.policy.limits.iter();
    let limits = limits.filter_map(|id| table.limits.get(id.0 as usize));
    Meaning {
        served: true,
        to: match route.policy.maintenance {
            None => destination(table, route),
            // Those who are let in nevertheless are few.
            Some(_) => format!("{} (maintenance)", destination(table, route)),
        },
        auth: Asked::of(table, route.policy.auth.as_ref()),
        // A trial refuses nobody.
        limits: limits
            .filter(|limit| limit.enforce)
            .map(|limit| limit.name.to_string())
            .collect(),
        rewrite: rewrite(table, route),
        fixed: matches!(route.action, Action::Respond(_) | Action::Redirect(_)),
    }
}

fn destination(table: &Table, route: &Route) -> String {
    match &route.action {
        Action::Upstream(id) => table.upstream(*id).name.to_string(),
        Action::Migration(id) => {
            let id = migration::serving_upstream(table.migration(*id));
            table.upstream(id).name.to_string()
        }
        Action::Split(split) => {
            let shares = split
                .shares
                .iter()
                .map(|share| format!("{} {}", table.upstream(share.upstream).name, share.weight));
            format!("split {}", shares.collect::<Vec<_>>().join(", "))
        }
        Action::Respond(fixed) => format!("respond {}", fixed.status.as_u16()),
        Action::Redirect(redirect) => {
            format!(
                "redirect {} to {}",
                redirect.status.as_u16(),
                redirect.to.text
            )
        }
    }
}

/// How the upstream's address differs from the client's.
fn rewrite(table: &Table, route: &Route) -> String {
    let ids = match &route.action {
        Action::Upstream(id) => vec![*id],
        Action::Split(split) => split.shares.iter().map(|share| share.upstream).collect(),
        Action::Migration(id) => vec![migration::serving_upstream(table.migration(*id))],
        Action::Respond(_) | Action::Redirect(_) => return String::new(),
    };
    let path = route.policy.rewrite.as_ref();
    let path = path.map_or_else(String::new, |path| format!("path as {}, ", path.text));
    let of = |id| {
        let upstream = table.upstream(id);
        let prefix = upstream.strip_prefix.as_deref();
        let prefix = prefix.map_or("no prefix stripped".to_owned(), |prefix| {
            format!("{prefix} stripped")
        });
        let host = if upstream.preserve_host {
            "client's host"
        } else {
            "endpoint's host"
        };
        format!("{path}{prefix}, {host}")
    };
    let mut all: Vec<_> = ids.into_iter().map(of).collect();
    all.dedup();
    all.join(" or ")
}

fn changes(old: &Meaning, new: &Meaning) -> Vec<(Kind, String)> {
    if old == new {
        return Vec::new();
    }
    if !new.served {
        return vec![(Kind::NotFound, format!("{} → 404", old.to))];
    }
    if !old.served {
        return vec![(Kind::Served, format!("404 → {}", new.to))];
    }
    let mut changes = Vec::new();
    if new.fixed {
        return vec![(Kind::Moved, format!("{} → {}", old.to, new.to))];
    }
    if let Some(detail) = old.auth.lost_by(&new.auth) {
        changes.push((Kind::AuthLost, detail));
    } else if let Some(detail) = old.auth.changed_to(&new.auth) {
        changes.push((Kind::AuthChanged, detail));
    }
    let lost: Vec<_> = old.limits.difference(&new.limits).cloned().collect();
    if !lost.is_empty() {
        changes.push((Kind::LimitLost, lost.join(", ")));
    }
    if old.to != new.to {
        changes.push((Kind::Moved, format!("{} → {}", old.to, new.to)));
    }
    if old.rewrite != new.rewrite {
        let detail = format!("{} → {}", old.rewrite, new.rewrite);
        changes.push((Kind::Rewritten, detail));
    }
    changes
}
