//! How many requests went from which routes to which.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use route_table::{LoggedFacts, Table};

use crate::plan::line::Line;
use crate::plan::worlds::{Wanted, Way, Ways, ways};

/// The two tables that are compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tables<'t> {
    pub(super) old: &'t Table,
    pub(super) new: &'t Table,
    /// What both ask for.
    pub(super) wanted: &'t Wanted,
}

/// Requests that may go the same ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) requests: u64,
    /// The first of them, `GET shop.test/orders/42`, with the place of its line.
    pub(super) example: (u64, String),
}

/// What was counted in some of a log's lines.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) ways: HashMap<Ways, Counted>,
    pub(super) requests: u64,
    /// Lines of requests that never came to the table.
    pub(super) not_matched: u64,
    /// Lines that are none of an access log; the first one's number of bytes from the start.
    pub(super) unreadable: u64,
    pub(super) first_unreadable: Option<u64>,
}

impl Tally {
    /// Counts one line that begins `at` bytes from the start.
    pub(super) fn count(&mut self, tables: Tables<'_>, at: u64, text: &[u8]) {
        let text = text.trim_ascii();
        if text.is_empty() {
            return;
        }
        let Ok(line) = serde_json::from_slice::<Line<'_>>(text) else {
            self.unreadable += 1;
            self.first_unreadable.get_or_insert(at);
            return;
        };
        let (Some(method), Some(path), true) =
            (line.method(), line.canonical_path(), line.was_matched())
        else {
            self.not_matched += 1;
            return;
        };
        self.requests += 1;
        let facts = LoggedFacts {
            host: &line.host,
            path: path.as_str(),
            method: &method,
            client_ip: line.client_ip(),
            fields: &line,
        };
        let mut ways = ways([tables.old, tables.new], tables.wanted, &facts);
        if ways.len() > 1 {
            believe_the_log(tables.old, &line, &mut ways);
        }
        match self.ways.entry(ways) {
            Entry::Occupied(mut known) => known.get_mut().requests += 1,
            Entry::Vacant(place) => {
                let example = format!("{} {}{}", line.method, line.host, line.path);
                place.insert(Counted {
                    requests: 1,
                    example: (at, example),
                });
            }
        }
    }

    /// Adds what another part of the log came to.
    pub(super) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.not_matched += other.not_matched;
        self.unreadable += other.unreadable;
        self.first_unreadable = match (self.first_unreadable, other.first_unreadable) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        for (ways, counted) in other.ways {
            match self.ways.entry(ways) {
                Entry::Vacant(place) => {
                    place.insert(counted);
                }
                Entry::Occupied(mut known) => {
                    let known = known.get_mut();
                    known.requests += counted.requests;
                    if counted.example.0 < known.example.0 {
                        known.example = counted.example;
                    }
                }
            }
        }
    }
}

/// Where the old table allows several routes, the log says which one it was.
fn believe_the_log(table: &Table, line: &Line<'_>, ways: &mut Ways) {
    let Some(name) = line.route.as_deref() else {
        return;
    };
    let is_named = |(old, _): &Way| old.is_some_and(|id| *table.route(id).name == *name);
    if ways.iter().any(is_named) {
        ways.retain(|way| is_named(way));
    }
}
