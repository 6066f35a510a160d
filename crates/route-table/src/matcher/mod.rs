//! Finds the route of a request.
//!
//! Priority, as in the Kubernetes Gateway API: host exact, then longest suffix, then any; path segment by
//! segment literal before `{param}` before `{*rest}`, regular expressions last; at one path, routes that
//! name methods, then more headers, more query parameters, more cookies, client addresses, then the order
//! of the file. When the best path's conditions fail, the next best path is tried.
//!
//! A host's paths are a tree of hashed segments: the cost is that of the request's own segments, however
//! many routes there are. Each node has one parent, so a search visits no node twice.
//!
//! [`tree`] searches, [`nodes`] is how a tree is kept, [`builder`] how it comes about, and [`predicates`]
//! are the conditions beside host and path.

mod predicates;
mod nodes;
mod tree;
mod builder;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method};
use smallvec::SmallVec;

pub(crate) use predicates::{
    Failed, cookie_values, decoded, first_failure, query_values, takes_method,
};
pub(crate) use tree::{Node, Tree};

use crate::matcher::builder::Builder;
use crate::table::{HostPattern, PathPattern, Route, RouteId, Segment, Table};

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
#[derive(Debug, Clone)]
pub struct Params<'t, 'r> {
    path: &'t PathPattern,
    values: Captures<'r>,
}

impl<'r> Params<'_, 'r> {
    /// The value of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'r str> {
        let mut all = self.iter();
        all.find_map(|(known, value)| (known == name).then_some(value))
    }

    /// All of them, in the order of the path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'r str)> {
        let names = self.path.segments().filter_map(|segment| match segment {
            Segment::Param(name) | Segment::Rest(name) => Some(name),
            Segment::Literal(_) => None,
        });
        names.zip(self.values.iter().copied())
    }
}

/// Captured values, in the order of the path.
pub(crate) type Captures<'r> = SmallVec<[&'r str; 4]>;

/// The index over a table's routes.
#[derive(Debug)]
pub(crate) struct Matcher {
    exact: HashMap<Arc<str>, Tree>,
    /// By the suffix with its leading dot.
    suffixes: HashMap<Arc<str>, Tree>,
    any: Tree,
}

impl Matcher {
    pub(crate) fn new(routes: &[Route]) -> Self {
        let (mut exact, mut suffixes) = (HashMap::new(), HashMap::new());
        let mut any = Builder::new();
        for (index, route) in routes.iter().enumerate() {
            let id = RouteId(u32::try_from(index).unwrap_or(u32::MAX));
            let tree = match &route.matches.host {
                HostPattern::Any => &mut any,
                HostPattern::Suffix(suffix) => suffixes.entry(suffix).or_insert_with(Builder::new),
                HostPattern::Exact(host) => exact.entry(host).or_insert_with(Builder::new),
            };
            tree.insert(id, &route.matches.path);
        }
        let finished = |builders: HashMap<&Arc<str>, Builder<'_>>| {
            let named = builders.into_iter();
            named
                .map(|(name, builder)| (Arc::clone(name), builder.finish(routes)))
                .collect()
        };
        Self {
            exact: finished(exact),
            suffixes: finished(suffixes),
            any: any.finish(routes),
        }
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

impl Matcher {
    /// The trees of all other hosts, in no order.
    pub(crate) fn trees_not_for(&self, host: &str) -> impl Iterator<Item = &Tree> {
        let serving: Vec<_> = self.trees_for(host).map(std::ptr::from_ref).collect();
        self.trees()
            .filter(move |tree| !serving.contains(&std::ptr::from_ref(*tree)))
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
        let (id, values) = found?;
        let route = self.route(id);
        let path = &route.matches.path;
        Some(Match {
            id,
            route,
            params: Params { path, values },
        })
    }
}
