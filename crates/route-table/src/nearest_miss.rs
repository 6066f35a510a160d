//! Why no route took a request: what the log says beside a 404.
//!
//! The walk follows the request's own segments and, where they end, one child a level: it never looks
//! at all routes.

use std::fmt;
use std::sync::Arc;

use crate::matcher::{Captures, Failed, Node, RequestFacts, first_failure};
use crate::table::{Position, Route, RouteId, Table};

/// Siblings that are compared with a segment that fits none.
const SIBLINGS_MAX: usize = 1_000;

/// The route that came closest, and what was in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearestMiss {
    pub route: Arc<str>,
    pub position: Position,
    /// For example `method is POST, the route takes GET`.
    pub reason: String,
}

impl fmt::Display for NearestMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            route,
            position: Position { file, line, .. },
            reason,
        } = self;
        write!(f, "{route} ({file}:{line}): {reason}")
    }
}

impl Table {
    /// Finds the route that would have taken the request but for one thing. Meant for requests that
    /// [`Table::find`] has no route for.
    #[must_use]
    pub fn nearest_miss(&self, request: &RequestFacts<'_>) -> Option<NearestMiss> {
        self.same_path(request)
            .or_else(|| self.similar_path(request))
            .or_else(|| self.other_host(request))
    }

    /// A route of this very path whose other conditions are not met.
    fn same_path(&self, request: &RequestFacts<'_>) -> Option<NearestMiss> {
        let any = |_| true;
        let id = self
            .matcher
            .trees_for(request.host)
            .find_map(|tree| tree.find(request.path, &self.routes, &any, &mut Captures::new()))?;
        let route = self.route(id);
        let failed = first_failure(&route.matches, request)?;
        Some(self.miss(id, describe_failure(&failed, route, request)))
    }

    /// A route whose path begins like the request's and then differs.
    fn similar_path(&self, request: &RequestFacts<'_>) -> Option<NearestMiss> {
        let segments: Vec<&str> = request.path.split('/').skip(1).collect();
        let deepest = self
            .matcher
            .trees_for(request.host)
            .map(|tree| descend(tree.root(), &segments))
            .max_by_key(|(depth, _)| *depth)?;
        let (depth, node) = deepest;
        let number = depth + 1;
        match segments.get(depth) {
            Some(segment) => {
                let (text, next) = most_similar(node, segment)?;
                let id = first_route(next)?;
                let shown =
                    text.map_or_else(|| "a parameter".to_owned(), |text| format!("`{text}`"));
                Some(self.miss(
                    id,
                    format!("path differs at segment {number}: `{segment}`, the route has {shown}"),
                ))
            }
            None => Some(self.miss(
                first_route(node)?,
                "the path goes on after its end".to_owned(),
            )),
        }
    }

    /// Nothing is there for this host at all.
    fn other_host(&self, request: &RequestFacts<'_>) -> Option<NearestMiss> {
        self.routes.first()?;
        let reason = format!("no route for host `{}` begins like this path", request.host);
        Some(self.miss(RouteId(0), reason))
    }

    fn miss(&self, id: RouteId, reason: String) -> NearestMiss {
        let route = self.route(id);
        NearestMiss {
            route: Arc::clone(&route.name),
            position: route.position.clone(),
            reason,
        }
    }
}

/// A condition that a request does not meet, for a person.
pub(crate) fn describe_failure(
    failed: &Failed,
    route: &Route,
    request: &RequestFacts<'_>,
) -> String {
    match failed {
        Failed::Method => {
            let conditions = route.matches.conditions.iter();
            let methods = conditions.flat_map(|conditions| &conditions.methods);
            let methods: Vec<_> = methods.map(http::Method::as_str).collect();
            format!(
                "method is {}, the route takes {}",
                request.method,
                methods.join(", ")
            )
        }
        Failed::Header(name) => format!("header `{name}` is not what the route asks for"),
        Failed::Query(name) => format!("query parameter `{name}` is not what the route asks for"),
        Failed::Cookie(name) => format!("cookie `{name}` is not what the route asks for"),
        Failed::ClientIp => "the client's address is in none of the route's networks".to_owned(),
    }
}

/// Follows the segments as far as they go, literals before parameters.
fn descend<'t>(root: Node<'t>, segments: &[&str]) -> (usize, Node<'t>) {
    let mut node = root;
    for (depth, segment) in segments.iter().enumerate() {
        let param = || node.param().filter(|_| !segment.is_empty());
        match node.literal(segment).or_else(param) {
            Some(next) => node = next,
            None => return (depth, node),
        }
    }
    (segments.len(), node)
}

/// The child whose name is most like `segment`; the name is `None` for a parameter.
fn most_similar<'t>(node: Node<'t>, segment: &str) -> Option<(Option<&'t str>, Node<'t>)> {
    let literals = node.literals().take(SIBLINGS_MAX);
    let best = literals.max_by(|(one, _), (other, _)| {
        let likeness = |text| strsim::jaro_winkler(text, segment);
        // Equal likeness is settled by the name, so that the answer is always the same.
        likeness(one)
            .total_cmp(&likeness(other))
            .then_with(|| other.cmp(one))
    });
    best.map(|(text, child)| (Some(text), child))
        .or_else(|| node.param().map(|child| (None, child)))
}

/// Some route at or below a node.
fn first_route(node: Node<'_>) -> Option<RouteId> {
    let mut node = node;
    loop {
        if let Some(id) = node.leaf().first().or_else(|| node.rest().first()) {
            return Some(*id);
        }
        node = node.children().next()?;
    }
}
