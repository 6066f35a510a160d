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

/// The rows that each upstream asks in its turn.
pub(super) struct Calls<'t>(Vec<Vec<&'t Route>>);

impl<'t> Calls<'t> {
    /// Looks through the rows once for each prefix that an upstream calls.
    pub(super) fn of(table: &'t Table) -> Self {
        let upstreams = table.upstreams.iter();
        Self(upstreams.map(|one| called_by(table, one)).collect())
    }

    pub(super) fn by(&self, id: UpstreamId) -> &[&'t Route] {
        self.0.get(id.0 as usize).map_or(&[], Vec::as_slice)
    }
}

/// The rows below what an upstream `calls`. Where there is none, those that reach that far; a row for
/// everything is not what somebody means who has rows for what is asked.
fn called_by<'t>(table: &'t Table, upstream: &Upstream) -> Vec<&'t Route> {
    let mut called = Vec::new();
    for call in &upstream.calls {
        let at = |place| {
            table
                .routes
                .iter()
                .filter(move |row| lies(row, call) == place)
        };
        let before = called.len();
        called.extend(at(Lies::Below));
        if called.len() == before {
            called.extend(at(Lies::Above));
        }
    }
    called
}

/// Where a row's path lies, seen from a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lies {
    /// All that the row takes begins with these whole segments, as far as they are written.
    Below,
    /// Some of what it takes does.
    Above,
    Elsewhere,
}

fn lies(route: &Route, prefix: &str) -> Lies {
    let mut wanted = prefix.split('/').filter(|segment| !segment.is_empty());
    let mut written = route.matches.path.segments().peekable();
    if written.peek().is_none() {
        // A regular expression: nobody knows.
        return Lies::Elsewhere;
    }
    loop {
        match (wanted.next(), written.next()) {
            (None, _) => return Lies::Below,
            (Some(_), Some(Segment::Rest(_))) => return Lies::Above,
            (Some(_), None) => return Lies::Elsewhere,
            (Some(wanted), Some(Segment::Literal(text))) if wanted != text => {
                return Lies::Elsewhere;
            }
            (Some(_), Some(Segment::Literal(_) | Segment::Param(_))) => {}
        }
    }
}
