//! The paths of one host as a tree of segments.

use crate::matcher::Captures;
use crate::matcher::nodes::{Nodes, ROOT, Row, Span};
use crate::table::{PathKind, Route, RouteId};

/// Routes by path.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(super) nodes: Nodes,
    /// The routes of all nodes, node by node, best first.
    pub(super) routes: Vec<RouteId>,
    /// Regular expressions, in the order of the file: tried last, one after the other.
    pub(crate) regexes: Vec<RouteId>,
}

impl Tree {
    pub(crate) fn root(&self) -> Node<'_> {
        self.node(ROOT)
    }

    fn node(&self, index: u32) -> Node<'_> {
        Node { tree: self, index }
    }

    /// Finds the best route that `takes` the request; its captured values are left in `captures`.
    pub(crate) fn find<'r>(
        &self,
        path: &'r str,
        routes: &[Route],
        takes: &impl Fn(RouteId) -> bool,
        captures: &mut Captures<'r>,
    ) -> Option<RouteId> {
        let found = self.root().find(path.strip_prefix('/'), takes, captures);
        found.or_else(|| {
            captures.clear();
            self.regexes.iter().copied().find(|id| {
                let fits = |route: &Route| match &route.matches.path.kind {
                    PathKind::Regex(regex) => regex.is_match(path),
                    PathKind::Segments | PathKind::Prefix => false,
                };
                id.of(routes).is_some_and(fits) && takes(*id)
            })
        })
    }
}

/// One node: what may follow a path prefix.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'t> {
    tree: &'t Tree,
    index: u32,
}

impl<'t> Node<'t> {
    /// Routes that end here, best first.
    pub(crate) fn leaf(self) -> &'t [RouteId] {
        self.routes(self.row().leaf)
    }

    /// Routes that take all that follows, best first.
    pub(crate) fn rest(self) -> &'t [RouteId] {
        self.routes(self.row().rest)
    }

    /// The node behind a literal segment.
    pub(crate) fn literal(self, segment: &str) -> Option<Self> {
        let child = self.tree.nodes.literal(self.index, segment)?;
        Some(self.tree.node(child.get()))
    }

    /// The node behind `{name}`.
    pub(crate) fn param(self) -> Option<Self> {
        let child = self.row().param?;
        Some(self.tree.node(child.get()))
    }

    /// All literal segments that may follow, with the nodes behind them.
    pub(crate) fn literals(self) -> impl Iterator<Item = (&'t str, Self)> {
        let Tree { nodes, .. } = self.tree;
        let behind = move |child| (nodes.text(child), self.tree.node(child.get()));
        nodes.literals(self.index).map(behind)
    }

    /// The nodes one segment further.
    pub(crate) fn children(self) -> impl Iterator<Item = Self> {
        self.literals().map(|(_, child)| child).chain(self.param())
    }

    fn row(self) -> &'t Row {
        self.tree.nodes.row(self.index)
    }

    fn routes(self, span: Span) -> &'t [RouteId] {
        self.tree.routes.get(span.range()).unwrap_or_default()
    }

    /// `left` is what follows the slash after this node's prefix; `None` when there is no slash.
    fn find<'r>(
        self,
        left: Option<&'r str>,
        takes: &impl Fn(RouteId) -> bool,
        captures: &mut Captures<'r>,
    ) -> Option<RouteId> {
        let best = |ids: &[RouteId]| ids.iter().copied().find(|id| takes(*id));
        let Some(left) = left else {
            return best(self.leaf());
        };
        let (segment, after) = match left.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (left, None),
        };
        let literal = self.literal(segment);
        if let Some(found) = literal.and_then(|node| node.find(after, takes, captures)) {
            return Some(found);
        }
        let depth = captures.len();
        if let Some(param) = self.param().filter(|_| !segment.is_empty()) {
            captures.push(segment);
            if let Some(found) = param.find(after, takes, captures) {
                return Some(found);
            }
            captures.truncate(depth);
        }
        let found = best(self.rest())?;
        captures.push(left);
        Some(found)
    }
}
