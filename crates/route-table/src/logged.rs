//! Finds the routes of requests of which only a log line is left.
//!
//! A log says less than a request: a condition on what was not logged may or may not have been met. The
//! search is that of the running gateway; where it cannot know, it goes both ways.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method};
use smallvec::SmallVec;

use crate::matcher::{Captures, cookie_values, decoded, query_values, takes_method};
use crate::table::{Conditions, MatchField, RouteId, Table, ValueMatch};

/// What is left of a request.
#[derive(Debug, Clone, Copy)]
pub struct LoggedFacts<'a> {
    /// Lower case, without port.
    pub host: &'a str,
    /// Canonical; begins with `/`.
    pub path: &'a str,
    pub method: &'a Method,
    pub client_ip: Option<IpAddr>,
    pub fields: &'a dyn LoggedFields,
}

/// The parts of a request that may or may not have been logged.
pub trait LoggedFields: fmt::Debug {
    fn header(&self, name: &HeaderName) -> Known<'_>;
    fn query(&self, name: &str) -> Known<'_>;
    fn cookie(&self, name: &str) -> Known<'_>;
}

/// What a log knows of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known<'v> {
    /// It was not logged.
    Unknown,
    /// The request did not have it.
    Absent,
    /// The request had it; its values were not logged.
    Present,
    /// These, all of them.
    Values(Vec<Cow<'v, str>>),
}

/// The routes that may have taken a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Possible {
    /// In the order in which they are tried.
    pub routes: SmallVec<[RouteId; 2]>,
    /// Whether it may be that none has taken it.
    pub or_none: bool,
}

impl Possible {
    /// Whether there is no doubt.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.routes.len() + usize::from(self.or_none) == 1
    }

    /// All that may have been, `None` for no route.
    pub fn iter(&self) -> impl Iterator<Item = Option<RouteId>> + Clone {
        let none = self.or_none.then_some(None);
        self.routes.iter().copied().map(Some).chain(none)
    }
}

impl Table {
    /// Finds the routes that may take a request; one, or none, when the log knows enough.
    #[must_use]
    pub fn find_logged(&self, facts: &LoggedFacts<'_>) -> Possible {
        let routes = RefCell::new(SmallVec::new());
        let takes = |id: RouteId| {
            let conditions = self.route(id).matches.conditions.as_deref();
            let holds = conditions.map_or(Some(true), |wanted| holds(wanted, facts));
            if holds != Some(false) {
                routes.borrow_mut().push(id);
            }
            holds == Some(true)
        };
        let certain = self
            .matcher
            .trees_for(facts.host)
            .find_map(|tree| tree.find(facts.path, &self.routes, &takes, &mut Captures::new()));
        Possible {
            or_none: certain.is_none(),
            routes: routes.into_inner(),
        }
    }
}

/// Whether all conditions are met; `None`: nobody knows.
fn holds(wanted: &Conditions, facts: &LoggedFacts<'_>) -> Option<bool> {
    let methods = &wanted.methods;
    let method = methods.is_empty() || methods.iter().any(|one| takes_method(one, facts.method));
    let headers = wanted.headers.iter();
    let query = wanted.query.iter();
    let cookies = wanted.cookies.iter();
    let rest = headers
        .map(|one| meets(&facts.fields.header(&one.name), one))
        .chain(query.map(|one| meets(&facts.fields.query(&one.name), one)))
        .chain(cookies.map(|one| meets(&facts.fields.cookie(&one.name), one)))
        .chain([comes_from(wanted, facts)]);
    let mut all = Some(method);
    for one in rest {
        all = match (all, one) {
            (Some(false), _) | (_, Some(false)) => return Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        };
    }
    all
}

fn meets<N>(known: &Known<'_>, wanted: &ValueMatch<N>) -> Option<bool> {
    match (known, &wanted.value) {
        (Known::Unknown, _) | (Known::Present, Some(_)) => None,
        (Known::Absent, _) => Some(false),
        (Known::Present | Known::Values(_), None) => Some(true),
        (Known::Values(values), Some(wanted)) => Some(has(values, wanted)),
    }
}

fn has(values: &[Cow<'_, str>], wanted: &Arc<str>) -> bool {
    values.iter().any(|value| **value == **wanted)
}

fn comes_from(wanted: &Conditions, facts: &LoggedFacts<'_>) -> Option<bool> {
    if wanted.client_ips.is_empty() {
        return Some(true);
    }
    let client = facts.client_ip?;
    Some(wanted.client_ips.iter().any(|net| net.contains(&client)))
}

impl MatchField {
    /// All values that a request has of it, as conditions compare them; none when it is not there.
    #[must_use]
    pub fn values(&self, headers: &HeaderMap, query: Option<&str>) -> Vec<String> {
        match self {
            Self::Header(name) => {
                let values = headers.get_all(name).iter();
                values
                    .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                    .collect()
            }
            Self::Query(name) => query_values(query, name).map(Cow::into_owned).collect(),
            Self::Cookie(name) => cookie_values(headers, name).map(str::to_owned).collect(),
        }
    }
}

/// A name or value of a query, decoded as conditions compare it.
#[must_use]
pub fn decoded_query_part(text: &str) -> Cow<'_, str> {
    decoded(text)
}
