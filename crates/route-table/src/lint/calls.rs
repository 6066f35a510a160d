//! Who asks whom: rows go to upstreams, and upstreams say in `calls` which paths of the table they ask in turn.

use crate::table::{Action, Route, Segment, Table, Upstream, UpstreamId};

/// The upstreams that a row's requests may go to.
pub(super) fn upstreams_of(table: &Table, route: &Route) -> Vec<UpstreamId> {
    match &route.action {
        Action::Upstream(id) => vec![*id],
        Action::Split(split) => split.shares.iter().map(|share| share.upstream).collect(),
        Action::Migration(id) => {
            let migration = table.migration(*id);
            vec![migration.from, migration.to]
        }
        Action::Respond(_) | Action::Redirect(_) => Vec::new(),
    }
}

/// The rows that an upstream asks in its turn.
pub(super) fn called_by<'t>(
    table: &'t Table,
    upstream: &'t Upstream,
) -> impl Iterator<Item = &'t Route> {
    let is_called = |route: &&Route| {
        let mut calls = upstream.calls.iter();
        calls.any(|call| may_be_below(route, call))
    };
    // A table of many rows is walked only for upstreams that call at all.
    let rows = (!upstream.calls.is_empty()).then_some(&table.routes);
    rows.into_iter().flatten().filter(is_called)
}

/// Whether a row may take a path that begins with these whole segments.
fn may_be_below(route: &Route, prefix: &str) -> bool {
    let mut wanted = prefix.split('/').filter(|segment| !segment.is_empty());
    let mut written = route.matches.path.segments().peekable();
    if written.peek().is_none() {
        // A regular expression: nobody knows.
        return false;
    }
    loop {
        match (wanted.next(), written.next()) {
            (None, _) | (Some(_), Some(Segment::Rest(_))) => return true,
            (Some(_), None) => return false,
            (Some(wanted), Some(Segment::Literal(text))) if wanted != text => return false,
            (Some(_), Some(Segment::Literal(_) | Segment::Param(_))) => {}
        }
    }
}
