//! The answer: what happens to how many requests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use route_table::Table;
use route_table::table::RouteId;
use serde::Serialize;

use crate::plan::change;
use crate::plan::tally::{Tables, Tally};

/// What happens to requests, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A token, or a scope of it, is no longer asked for.
    AuthLost,
    /// Nobody knows, and a token is asked for on one of the ways.
    UndeterminedAuth,
    AuthChanged,
    LimitLost,
    /// It was served and is 404.
    NotFound,
    Moved,
    Rewritten,
    /// It was 404 and is served.
    Served,
    Undetermined,
}

/// What an edit would do to recorded traffic.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Requests that were looked up in both tables.
    pub(crate) requests: u64,
    pub(crate) unchanged: u64,
    /// Lines of requests that never came to a table.
    pub(crate) not_matched: u64,
    /// Lines that are none of an access log.
    pub(crate) unreadable: u64,
    /// Bytes before the first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_unreadable: Option<u64>,
    /// By kind, most requests first.
    pub(crate) changes: Vec<Change>,
}

/// Requests to which the same happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    pub(crate) kind: Kind,
    pub(crate) requests: u64,
    /// Names of the rows, several where the log does not say which.
    pub(crate) old: Vec<String>,
    pub(crate) new: Vec<String>,
    pub(crate) detail: String,
    /// One of the requests.
    pub(crate) example: String,
    /// The operator knows of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) accepted: bool,
}

impl Report {
    /// Sums up what was counted.
    pub(super) fn of(tables: Tables<'_>, tally: Tally) -> Self {
        let mut unchanged = 0;
        let mut changes = BTreeMap::<_, (u64, (u64, String))>::new();
        for (ways, counted) in tally.ways {
            let found = change::of(tables, &ways);
            if found.is_empty() {
                unchanged += counted.requests;
            }
            let old = names(tables.old, ways.iter().map(|(old, _)| *old));
            let new = names(tables.new, ways.iter().map(|(_, new)| *new));
            for (kind, detail) in found {
                let key = (kind, old.clone(), new.clone(), detail);
                let (requests, example) = changes
                    .entry(key)
                    .or_insert_with(|| (0, counted.example.clone()));
                *requests += counted.requests;
                if counted.example.0 < example.0 {
                    *example = counted.example.clone();
                }
            }
        }
        let changes = changes.into_iter();
        let mut changes: Vec<_> = changes
            .map(
                |((kind, old, new, detail), (requests, (_, example)))| Change {
                    kind,
                    requests,
                    old,
                    new,
                    detail,
                    example,
                    accepted: false,
                },
            )
            .collect();
        changes.sort_by(|one, other| (one.kind, other.requests).cmp(&(other.kind, one.requests)));
        Self {
            requests: tally.requests,
            unchanged,
            not_matched: tally.not_matched,
            unreadable: tally.unreadable,
            first_unreadable: tally.first_unreadable,
            changes,
        }
    }

    /// Marks what the operator knows of, by the names of rows. Returns names that nothing is known by.
    pub(crate) fn accept(&mut self, routes: &[String]) -> Vec<String> {
        let is_named = |change: &Change, name: &String| {
            change.is_refused_by_default()
                && (change.old.contains(name) || change.new.contains(name))
        };
        for change in &mut self.changes {
            change.accepted = routes.iter().any(|name| is_named(change, name));
        }
        let unknown = routes
            .iter()
            .filter(|name| !self.changes.iter().any(|change| is_named(change, name)));
        unknown.cloned().collect()
    }

    /// Whether authentication is lost, or may be, and nobody has said that this is meant.
    pub(crate) fn is_dangerous(&self) -> bool {
        let mut changes = self.changes.iter();
        changes.any(|change| change.is_refused_by_default() && !change.accepted)
    }
}

impl Change {
    fn is_refused_by_default(&self) -> bool {
        matches!(self.kind, Kind::AuthLost | Kind::UndeterminedAuth)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AuthLost => "AUTH LOST",
            Self::UndeterminedAuth => "AUTH UNKNOWN",
            Self::AuthChanged => "auth changed",
            Self::LimitLost => "limit lost",
            Self::NotFound => "now 404",
            Self::Moved => "moved",
            Self::Rewritten => "rewritten",
            Self::Served => "now served",
            Self::Undetermined => "unknown",
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} requests, {} unchanged",
            self.requests, self.unchanged
        )?;
        if self.not_matched > 0 {
            let count = self.not_matched;
            writeln!(f, "{count} more were refused before a table was asked")?;
        }
        if self.unreadable > 0 {
            let at = self.first_unreadable.unwrap_or(0);
            let count = self.unreadable;
            writeln!(
                f,
                "{count} lines are no access log's, the first {at} bytes from the start"
            )?;
        }
        for change in &self.changes {
            let accepted = if change.accepted { " (accepted)" } else { "" };
            let (old, new) = (rows(&change.old), rows(&change.new));
            let rows = if old == new {
                old
            } else {
                format!("{old} → {new}")
            };
            writeln!(
                f,
                "\n{:12} {:>9}  {rows}{accepted}",
                change.kind, change.requests
            )?;
            writeln!(f, "{:22}  {}", "", change.detail)?;
            writeln!(f, "{:22}  such as {}", "", change.example)?;
        }
        Ok(())
    }
}

/// The names of routes, each once.
fn names(table: &Table, ids: impl Iterator<Item = Option<RouteId>>) -> Vec<String> {
    let ids: BTreeSet<_> = ids.flatten().collect();
    let names = ids.into_iter().map(|id| table.route(id).name.to_string());
    names.collect()
}

fn rows(names: &[String]) -> String {
    if names.is_empty() {
        return "no row".to_owned();
    }
    names.join(" or ")
}
