//! Addresses with places: `rewrite:` of a route, and where a `redirect` goes.

use crate::table::{PathPattern, Piece, Segment, Template};
use crate::validate::path::check_literal;

/// A path for the upstream.
pub(super) fn rewrite(text: &str, pattern: &PathPattern) -> Result<Template, String> {
    if text.contains(['?', '#']) {
        return Err("write a path alone: the client's query goes along as it is".to_owned());
    }
    check_path(text)?;
    template(text, pattern)
}

/// A path of this host, or an URL.
pub(super) fn target(text: &str, pattern: &PathPattern) -> Result<Template, String> {
    let (before_query, _) = text.split_once('?').unwrap_or((text, ""));
    let url = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    if text.contains('#') {
        return Err("leave `#` out: browsers keep the part behind it by themselves".to_owned());
    }
    match url {
        None => check_path(before_query)?,
        Some(rest) => {
            let authority = rest.split(['/', '?']).next().unwrap_or(rest);
            if authority.contains(['{', '}']) {
                return Err("the host cannot come from the request's path".to_owned());
            }
            if url::Url::parse(text).is_err() || authority.is_empty() {
                return Err(example());
            }
        }
    }
    template(text, pattern)
}

fn example() -> String {
    "write a path such as `/products/{id}`, or a URL such as `https://shop.test/products/{id}`"
        .to_owned()
}

fn check_path(path: &str) -> Result<(), String> {
    let segments = path.strip_prefix('/').ok_or_else(example)?;
    if path.contains("//") {
        return Err("write single slashes".to_owned());
    }
    // What stands beside a place is looked at when it is filled.
    let literal = |text: &&str| !text.contains(['{', '}']);
    segments
        .split('/')
        .filter(literal)
        .try_for_each(check_literal)
}

fn template(text: &str, pattern: &PathPattern) -> Result<Template, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut in_query = false;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| "a `{` is not closed".to_owned())?;
        in_query |= before.contains('?');
        pieces.push(Piece::Text(before.into()));
        let name = name.strip_prefix('*').unwrap_or(name);
        check_name(name, pattern)?;
        pieces.push(match in_query {
            true => Piece::InQuery(name.into()),
            false => Piece::Param(name.into()),
        });
        rest = after;
    }
    pieces.push(Piece::Text(rest.into()));
    let stray = |piece: &Piece| matches!(piece, Piece::Text(text) if text.contains('}'));
    if pieces.iter().any(stray) {
        return Err("a `}` has no `{` before it".to_owned());
    }
    Ok(Template {
        text: text.into(),
        pieces: pieces.into(),
    })
}

fn check_name(name: &str, pattern: &PathPattern) -> Result<(), String> {
    let known: Vec<&str> = pattern
        .segments()
        .filter_map(|segment| match segment {
            Segment::Param(name) | Segment::Rest(name) => Some(name),
            Segment::Literal(_) => None,
        })
        .collect();
    if known.contains(&name) {
        return Ok(());
    }
    let known: Vec<_> = known.iter().map(|name| format!("`{{{name}}}`")).collect();
    Err(match known.as_slice() {
        [] => format!("`{{{name}}}` stands for nothing: the route's path catches nothing"),
        known => format!(
            "`{{{name}}}` stands for nothing: the route's path catches {}",
            known.join(", ")
        ),
    })
}
