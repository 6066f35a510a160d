//! The paths of one host as a tree of segments.

use std::cmp::Reverse;
use std::collections::HashMap;

use smallvec::SmallVec;

use crate::matcher::Captures;
use crate::table::{PathKind, PathPattern, Route, RouteId, Segment};

/// Routes by path.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) root: Node,
    /// Regular expressions, in the order of the file: tried last, one after the other.
    pub(crate) regexes: Vec<RouteId>,
}

/// What may follow one path prefix.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) literals: HashMap<Box<str>, Node>,
    pub(crate) param: Option<Box<Node>>,
    /// Routes that end here, best first.
    pub(crate) leaf: SmallVec<[RouteId; 2]>,
    /// Routes that take all that follows, best first.
    pub(crate) rest: SmallVec<[RouteId; 2]>,
}

impl Tree {
    pub(super) fn insert(&mut self, id: RouteId, path: &PathPattern) {
        let PathKind::Segments(segments) = &path.kind else {
            self.regexes.push(id);
            return;
        };
        let mut node = &mut self.root;
        for segment in segments {
            node = match segment {
                Segment::Literal(text) => node.literals.entry((**text).into()).or_default(),
                Segment::Param(_) => node.param.get_or_insert_default(),
                Segment::Rest(_) => {
                    node.rest.push(id);
                    // A `prefix:` takes the bare prefix as well.
                    if path.is_prefix {
                        node.leaf.push(id);
                    }
                    return;
                }
            };
        }
        node.leaf.push(id);
    }

    pub(super) fn sort_leaves(&mut self, routes: &[Route]) {
        self.root.sort(routes);
    }

    /// Finds the best route that `takes` the request; its captured values are left in `captures`.
    pub(crate) fn find<'r>(
        &self,
        path: &'r str,
        routes: &[Route],
        takes: &impl Fn(RouteId) -> bool,
        captures: &mut Captures<'r>,
    ) -> Option<RouteId> {
        let found = self.root.find(path.strip_prefix('/'), takes, captures);
        found.or_else(|| {
            captures.clear();
            self.regexes.iter().copied().find(|id| {
                let route = usize::try_from(id.0)
                    .ok()
                    .and_then(|index| routes.get(index));
                let fits = |route: &Route| match &route.matches.path.kind {
                    PathKind::Regex(regex) => regex.is_match(path),
                    PathKind::Segments(_) => false,
                };
                route.is_some_and(fits) && takes(*id)
            })
        })
    }
}

impl Node {
    /// `left` is what follows the slash after this node's prefix; `None` when there is no slash.
    fn find<'r>(
        &self,
        left: Option<&'r str>,
        takes: &impl Fn(RouteId) -> bool,
        captures: &mut Captures<'r>,
    ) -> Option<RouteId> {
        let best = |ids: &[RouteId]| ids.iter().copied().find(|id| takes(*id));
        let Some(left) = left else {
            return best(&self.leaf);
        };
        let (segment, after) = match left.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (left, None),
        };
        let literal = self.literals.get(segment);
        if let Some(found) = literal.and_then(|node| node.find(after, takes, captures)) {
            return Some(found);
        }
        let depth = captures.len();
        if let Some(param) = self.param.as_ref().filter(|_| !segment.is_empty()) {
            captures.push(segment);
            if let Some(found) = param.find(after, takes, captures) {
                return Some(found);
            }
            captures.truncate(depth);
        }
        let found = best(&self.rest)?;
        captures.push(left);
        Some(found)
    }

    fn sort(&mut self, routes: &[Route]) {
        let rank = |id: &RouteId| {
            let wanted = usize::try_from(id.0)
                .ok()
                .and_then(|index| routes.get(index));
            let wanted = wanted.map(|route| &route.matches);
            Reverse(wanted.map(|wanted| {
                (
                    !wanted.methods.is_empty(),
                    wanted.headers.len(),
                    wanted.query.len(),
                    wanted.cookies.len(),
                    !wanted.client_ips.is_empty(),
                )
            }))
        };
        // Stable: what is equal stays in the order of the file.
        self.leaf.sort_by_key(rank);
        self.rest.sort_by_key(rank);
        for child in self.children_mut() {
            child.sort(routes);
        }
    }

    fn children_mut(&mut self) -> impl Iterator<Item = &mut Self> {
        self.literals.values_mut().chain(self.param.as_deref_mut())
    }

    /// The nodes one segment further.
    pub(crate) fn children(&self) -> impl Iterator<Item = &Self> {
        self.literals.values().chain(self.param.as_deref())
    }
}
