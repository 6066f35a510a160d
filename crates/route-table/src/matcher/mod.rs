//! Finds the route of a request.
//!
//! Priority, as in the Kubernetes Gateway API: host exact, then longest suffix, then any; path segment by
//! segment literal before `{param}` before `{*rest}`, regular expressions last; at one path, routes that
//! name methods, then more headers, more query parameters, more cookies, client addresses, then the order
//! of the file. When the best path's conditions fail, the next best path is tried.
//!
//! A host's paths are a tree of hashed segments: the cost is that of the request's own segments, however
//! many routes there are. Each node has one parent, so a search visits no node twice.

mod predicates;
mod tree;

use std::collections::HashMap;
use std::net::IpAddr;

use http::{HeaderMap, Method};
use smallvec::SmallVec;

pub(crate) use predicates::{Failed, first_failure};
pub(crate) use tree::{Node, Tree};

use crate::table::{HostPattern, PathKind, Route, RouteId, Segment, Table};

/// What a request shows to the table.
#[derive(Debug, Clone, Copy)]
pub struct RequestFacts<'a> {
    /// Lower case, without port.
    pub host: &'a str,
    /// Canonical; begins with `/`.
    pub path: &'a str,
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
    /// Without `?`.
    pub query: Option<&'a str>,
    pub client_ip: IpAddr,
}

/// The route that takes a request.
#[derive(Debug, Clone)]
pub struct Match<'t, 'r> {
    pub id: RouteId,
    pub route: &'t Route,
    pub params: Params<'t, 'r>,
}

/// What the path's `{param}` and `{*rest}` stand for; no allocation up to four.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params<'t, 'r>(SmallVec<[(&'t str, &'r str); 4]>);

impl<'r> Params<'_, 'r> {
    /// The value of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'r str> {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }

    /// All of them, in the order of the path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'r str)> {
        self.0.iter().copied()
    }
}

/// Captured values, in the order of the path.
pub(crate) type Captures<'r> = SmallVec<[&'r str; 4]>;

/// The index over a table's routes.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    exact: HashMap<Box<str>, Tree>,
    /// By the suffix with its leading dot.
    suffixes: HashMap<Box<str>, Tree>,
    any: Tree,
}

impl Matcher {
    pub(crate) fn new(routes: &[Route]) -> Self {
        let mut matcher = Self::default();
        for (index, route) in routes.iter().enumerate() {
            let id = RouteId(u32::try_from(index).unwrap_or(u32::MAX));
            let tree = match &route.matches.host {
                HostPattern::Any => &mut matcher.any,
                HostPattern::Suffix(suffix) => {
                    matcher.suffixes.entry((**suffix).into()).or_default()
                }
                HostPattern::Exact(host) => matcher.exact.entry((**host).into()).or_default(),
            };
            tree.insert(id, &route.matches.path);
        }
        for tree in matcher.trees_mut() {
            tree.sort_leaves(routes);
        }
        matcher
    }

    fn trees_mut(&mut self) -> impl Iterator<Item = &mut Tree> {
        self.exact
            .values_mut()
            .chain(self.suffixes.values_mut())
            .chain([&mut self.any])
    }

    /// All trees, for checks over the whole table.
    pub(crate) fn trees(&self) -> impl Iterator<Item = &Tree> {
        self.exact
            .values()
            .chain(self.suffixes.values())
            .chain([&self.any])
    }

    /// The trees that a host's requests are looked up in, best first.
    pub(crate) fn trees_for(&self, host: &str) -> impl Iterator<Item = &Tree> {
        let exact = self.exact.get(host);
        let dots = host.match_indices('.').map(|(index, _)| index);
        let suffixes = dots
            .filter(|index| *index > 0 && !self.suffixes.is_empty())
            .filter_map(move |index| self.suffixes.get(host.get(index..)?));
        exact.into_iter().chain(suffixes).chain([&self.any])
    }
}

impl Table {
    /// Finds the route that takes a request.
    #[must_use]
    pub fn find<'t, 'r>(&'t self, request: &RequestFacts<'r>) -> Option<Match<'t, 'r>> {
        let takes = |id: RouteId| first_failure(&self.route(id).matches, request).is_none();
        let found = self.matcher.trees_for(request.host).find_map(|tree| {
            let mut captures = Captures::new();
            tree.find(request.path, &self.routes, &takes, &mut captures)
                .map(|id| (id, captures))
        });
        let (id, captures) = found?;
        let route = self.route(id);
        Some(Match {
            id,
            route,
            params: params(route, &captures),
        })
    }
}

fn params<'t, 'r>(route: &'t Route, captures: &Captures<'r>) -> Params<'t, 'r> {
    let PathKind::Segments(segments) = &route.matches.path.kind else {
        return Params(SmallVec::new());
    };
    let names = segments.iter().filter_map(|segment| match segment {
        Segment::Param(name) | Segment::Rest(name) => Some(&**name),
        Segment::Literal(_) => None,
    });
    Params(names.zip(captures.iter().copied()).collect())
}
