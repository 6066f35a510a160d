//! What a request may have been, where its log line does not say.
//!
//! Each part that routes ask for and that was not logged has one of the values that they name, another one,
//! or is absent. Every combination is looked up in both tables, so that what the two make of one request
//! is never mixed with what they make of another.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use http::HeaderName;
use route_table::table::{MatchField, RouteId};
use route_table::{Known, LoggedFacts, LoggedFields, Possible, Table};
use smallvec::{SmallVec, smallvec};

/// Combinations that are looked at for one line.
const WORLDS_MAX: usize = 1_024;

/// A value that no route names.
const ANOTHER: &str = "\u{1}";

/// The routes in the old and in the new table; `None`: no route.
pub(super) type Way = (Option<RouteId>, Option<RouteId>);

/// All ways that a request may go, in order; nearly always one.
pub(super) type Ways = SmallVec<[Way; 1]>;

/// The values by which routes ask for a part of a request.
#[derive(Debug, Default)]
pub(super) struct Wanted(BTreeMap<String, BTreeSet<String>>);

impl Wanted {
    /// What both tables ask for.
    pub(super) fn by(tables: [&Table; 2]) -> Self {
        let mut wanted = Self::default();
        let routes = tables.into_iter().flat_map(|table| &table.routes);
        for conditions in routes.filter_map(|route| route.matches.conditions.as_deref()) {
            let headers = conditions.headers.iter();
            let headers = headers.map(|one| (MatchField::Header(one.name.clone()), &one.value));
            let query = conditions.query.iter();
            let query = query.map(|one| (MatchField::Query(one.name.clone()), &one.value));
            let cookies = conditions.cookies.iter();
            let cookies = cookies.map(|one| (MatchField::Cookie(one.name.clone()), &one.value));
            for (field, value) in headers.chain(query).chain(cookies) {
                let values = wanted.0.entry(field.to_string()).or_default();
                values.extend(value.as_ref().map(ToString::to_string));
            }
        }
        wanted
    }

    /// What a part may be of which so much is known.
    fn domain(&self, field: &str, may_be_absent: bool) -> Vec<Known<'static>> {
        let named = self.0.get(field).into_iter().flatten();
        let values = named.map(String::as_str).chain([ANOTHER]);
        let values = values.map(|value| Known::Values(vec![value.to_owned().into()]));
        let absent = may_be_absent.then_some(Known::Absent);
        values.chain(absent).collect()
    }
}

/// Finds all ways that a request may go by two tables.
pub(super) fn ways(tables: [&Table; 2], wanted: &Wanted, facts: &LoggedFacts<'_>) -> Ways {
    let asked = Asked {
        line: facts.fields,
        doubts: RefCell::default(),
    };
    let [old, new] = tables.map(|table| table.find_logged(&with(facts, &asked)));
    if let (Some(old), Some(new)) = (certain(&old), certain(&new)) {
        return smallvec![(old, new)];
    }
    let doubts = asked.doubts.into_inner();
    let mut worlds: Vec<BTreeMap<String, Known<'static>>> = vec![BTreeMap::new()];
    for (field, may_be_absent) in doubts {
        let domain = wanted.domain(&field, may_be_absent);
        if worlds.len() * domain.len() > WORLDS_MAX {
            return all_ways(&old, &new);
        }
        let chosen = |world: &BTreeMap<_, _>, known: &Known<'static>| {
            let mut world = world.clone();
            world.insert(field.clone(), known.clone());
            world
        };
        worlds = worlds
            .iter()
            .flat_map(|world| domain.iter().map(move |known| chosen(world, known)))
            .collect();
    }
    let mut ways = Ways::new();
    for assumed in &worlds {
        let world = World {
            line: facts.fields,
            assumed,
        };
        let [old, new] = tables.map(|table| table.find_logged(&with(facts, &world)));
        for way in all_ways(&old, &new) {
            if let Err(place) = ways.binary_search(&way) {
                ways.insert(place, way);
            }
        }
    }
    ways
}

fn with<'f>(facts: &LoggedFacts<'f>, fields: &'f dyn LoggedFields) -> LoggedFacts<'f> {
    LoggedFacts { fields, ..*facts }
}

fn certain(possible: &Possible) -> Option<Option<RouteId>> {
    possible.iter().next().filter(|_| possible.is_certain())
}

/// Every route of the one with every one of the other.
fn all_ways(old: &Possible, new: &Possible) -> Ways {
    let ways = old
        .iter()
        .flat_map(|old| new.iter().map(move |new| (old, new)));
    let mut ways: Ways = ways.collect();
    ways.sort_unstable();
    ways.dedup();
    ways
}

/// A line, and what was asked of it that it does not know.
#[derive(Debug)]
struct Asked<'l> {
    line: &'l dyn LoggedFields,
    /// By name; whether it may also be absent.
    doubts: RefCell<BTreeMap<String, bool>>,
}

impl Asked<'_> {
    fn note<'k>(&self, field: impl FnOnce() -> MatchField, known: Known<'k>) -> Known<'k> {
        if matches!(known, Known::Unknown | Known::Present) {
            let may_be_absent = known == Known::Unknown;
            self.doubts
                .borrow_mut()
                .insert(field().to_string(), may_be_absent);
        }
        known
    }
}

impl LoggedFields for Asked<'_> {
    fn header(&self, name: &HeaderName) -> Known<'_> {
        self.note(|| MatchField::Header(name.clone()), self.line.header(name))
    }

    fn query(&self, name: &str) -> Known<'_> {
        self.note(|| MatchField::Query(name.into()), self.line.query(name))
    }

    fn cookie(&self, name: &str) -> Known<'_> {
        self.note(|| MatchField::Cookie(name.into()), self.line.cookie(name))
    }
}

/// A line, with values assumed for what it does not know.
#[derive(Debug)]
struct World<'w> {
    line: &'w dyn LoggedFields,
    assumed: &'w BTreeMap<String, Known<'static>>,
}

impl World<'_> {
    fn assumed(&self, field: &MatchField) -> Option<Known<'_>> {
        self.assumed.get(&field.to_string()).cloned()
    }
}

impl LoggedFields for World<'_> {
    fn header(&self, name: &HeaderName) -> Known<'_> {
        let assumed = self.assumed(&MatchField::Header(name.clone()));
        assumed.unwrap_or_else(|| self.line.header(name))
    }

    fn query(&self, name: &str) -> Known<'_> {
        let assumed = self.assumed(&MatchField::Query(name.into()));
        assumed.unwrap_or_else(|| self.line.query(name))
    }

    fn cookie(&self, name: &str) -> Known<'_> {
        let assumed = self.assumed(&MatchField::Cookie(name.into()));
        assumed.unwrap_or_else(|| self.line.cookie(name))
    }
}
