//! Routes that no request can reach, because one before them takes all that they would.

use std::collections::HashMap;

use http::Method;

use crate::matcher::{Matcher, Node};
use crate::table::{Conditions, PathKind, Route, RouteId, RouteMatch};
use crate::validate::decoder::Decoder;

/// Routes of one path that are compared with each other; beyond it only the nearest ones are.
const COMPARED_MAX: usize = 100;

pub(super) fn check(decoder: &mut Decoder<'_>, matcher: &Matcher, routes: &[Route]) {
    for tree in matcher.trees() {
        node(decoder, tree.root(), routes);
        equal_regexes(decoder, &tree.regexes, routes);
    }
}

fn node(decoder: &mut Decoder<'_>, at: Node<'_>, routes: &[Route]) {
    siblings(decoder, at.leaf(), routes);
    siblings(decoder, at.rest(), routes);
    for child in at.children() {
        node(decoder, child, routes);
    }
}

/// `ids` are in the order in which they are tried.
fn siblings(decoder: &mut Decoder<'_>, ids: &[RouteId], routes: &[Route]) {
    let route = |id: &RouteId| id.of(routes);
    for (index, id) in ids.iter().enumerate() {
        let Some(later) = route(id) else { continue };
        let before = ids
            .iter()
            .take(index)
            .rev()
            .take(COMPARED_MAX)
            .filter_map(route);
        if let Some(earlier) = before
            .into_iter()
            .find(|earlier| covers(&earlier.matches, &later.matches))
        {
            shadowed(decoder, earlier, later);
        }
    }
}

fn equal_regexes(decoder: &mut Decoder<'_>, ids: &[RouteId], routes: &[Route]) {
    let mut by_text: HashMap<&str, Vec<RouteId>> = HashMap::new();
    for id in ids {
        if let Some(route) = id.of(routes)
            && let PathKind::Regex(regex) = &route.matches.path.kind
        {
            by_text.entry(regex.as_str()).or_default().push(*id);
        }
    }
    for ids in by_text.values() {
        siblings(decoder, ids, routes);
    }
}

fn shadowed(decoder: &mut Decoder<'_>, earlier: &Route, later: &Route) {
    let place = format!("{}:{}", earlier.position.line, earlier.position.column);
    let message = format!(
        "route `{}` can never be reached: route `{}` at {place} takes every request it would",
        later.name, earlier.name
    );
    let mend = "remove one of them, or give this one a narrower `match`";
    decoder.error_at(later.position.clone(), message, mend);
}

/// Whether every request that `other` takes is taken by `one`; host and path are the same.
fn covers(one: &RouteMatch, other: &RouteMatch) -> bool {
    let Some(one) = &one.conditions else {
        return true;
    };
    let nothing = Conditions::default();
    let other = other.conditions.as_deref().unwrap_or(&nothing);
    let takes = |method: &Method| {
        one.methods.contains(method)
            || (*method == Method::HEAD && one.methods.contains(&Method::GET))
    };
    let methods =
        one.methods.is_empty() || (!other.methods.is_empty() && other.methods.iter().all(takes));
    let clients = one.client_ips.is_empty()
        || (!other.client_ips.is_empty()
            && other
                .client_ips
                .iter()
                .all(|net| one.client_ips.iter().any(|all| all.contains(net))));
    methods
        && clients
        && one
            .headers
            .iter()
            .all(|wanted| implied(wanted, &other.headers))
        && one.query.iter().all(|wanted| implied(wanted, &other.query))
        && one
            .cookies
            .iter()
            .all(|wanted| implied(wanted, &other.cookies))
}

fn implied<N: PartialEq>(
    wanted: &crate::table::ValueMatch<N>,
    given: &[crate::table::ValueMatch<N>],
) -> bool {
    given.iter().any(|given| {
        given.name == wanted.name && (wanted.value.is_none() || wanted.value == given.value)
    })
}
