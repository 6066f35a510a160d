//! Puts a tree together, route by route.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::matcher::nodes::{Nodes, ROOT, Span, length};
use crate::matcher::tree::Tree;
use crate::table::{PathKind, PathPattern, Route, RouteId, Segment};

/// A [`Tree`] to which routes are added.
#[derive(Debug)]
pub(super) struct Builder<'r> {
    nodes: Nodes,
    /// Each distinct text is kept once.
    texts: HashMap<&'r str, Span>,
    placed: Vec<Placed>,
    regexes: Vec<RouteId>,
}

/// A route at the node that it belongs to.
#[derive(Debug)]
struct Placed {
    node: u32,
    list: List,
    id: RouteId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum List {
    Leaf,
    Rest,
}

impl<'r> Builder<'r> {
    pub(super) fn new() -> Self {
        Self {
            nodes: Nodes::new(),
            texts: HashMap::new(),
            placed: Vec::new(),
            regexes: Vec::new(),
        }
    }

    pub(super) fn insert(&mut self, id: RouteId, path: &'r PathPattern) {
        if let PathKind::Regex(_) = path.kind {
            self.regexes.push(id);
            return;
        }
        let mut node = ROOT;
        for segment in path.segments() {
            node = match segment {
                Segment::Literal(text) => self.literal(node, text),
                Segment::Param(_) => self.param(node),
                Segment::Rest(_) => {
                    let list = List::Rest;
                    self.placed.push(Placed { node, list, id });
                    // A `prefix:` takes the bare prefix as well.
                    if matches!(path.kind, PathKind::Segments) {
                        return;
                    }
                    break;
                }
            };
        }
        let list = List::Leaf;
        self.placed.push(Placed { node, list, id });
    }

    fn literal(&mut self, parent: u32, text: &'r str) -> u32 {
        let known = self.nodes.literal(parent, text);
        let child = known.unwrap_or_else(|| {
            let kept = self.texts.entry(text);
            let kept = *kept.or_insert_with(|| self.nodes.keep(text));
            self.nodes.add_literal(parent, kept)
        });
        child.get()
    }

    fn param(&mut self, parent: u32) -> u32 {
        let known = self.nodes.row(parent).param;
        known.unwrap_or_else(|| self.nodes.add_param(parent)).get()
    }

    /// Puts each node's routes in the order in which they are tried.
    pub(super) fn finish(mut self, routes: &[Route]) -> Tree {
        // Stable: what is equal stays in the order of the file.
        self.placed.sort_by_key(|placed| {
            let route = placed.id.of(routes);
            let conditions = route.and_then(|route| route.matches.conditions.as_ref());
            let rank = conditions.map(|conditions| conditions.rank());
            (placed.node, placed.list, Reverse(rank))
        });
        for (place, Placed { node, list, .. }) in self.placed.iter().enumerate() {
            let row = self.nodes.row_mut(*node);
            let span = match list {
                List::Leaf => &mut row.leaf,
                List::Rest => &mut row.rest,
            };
            if span.len == 0 {
                span.start = length(place);
            }
            span.len += 1;
        }
        self.nodes.shrink();
        Tree {
            nodes: self.nodes,
            routes: self.placed.iter().map(|placed| placed.id).collect(),
            regexes: self.regexes,
        }
    }
}
