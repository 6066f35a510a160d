//! `match:` of a route.

use std::collections::HashSet;
use std::sync::Arc;

use http::{HeaderName, Method};

use crate::defaults::SEGMENTS_MAX;
use crate::parse::{Key, Node};
use crate::table::{HostPattern, PathKind, PathPattern, RouteMatch, Segment, ValueMatch};
use crate::validate::decoder::{Decoder, Fields, one_of};
use crate::validate::listeners::networks;

const PATHS: &str = "write one of `path: /orders/{id}`, `prefix: /orders`, `regex: \"/o[0-9]+\"`";

/// Name of what a `prefix:` leaves.
const PREFIX_REST: &str = "rest";

pub(super) fn read(decoder: &mut Decoder<'_>, node: &Node) -> Option<RouteMatch> {
    let mut fields = Fields::of(decoder, node, "`match`")?;
    let (path, prefix, regex) = (
        fields.take("path"),
        fields.take("prefix"),
        fields.take("regex"),
    );
    let path = match (path, prefix, regex) {
        (Some(node), None, None) => decoder.parsed(node, "path", path_pattern),
        (None, Some(node), None) => decoder.parsed(node, "prefix", prefix_pattern),
        (None, None, Some(node)) => decoder.parsed(node, "regex", regex_pattern),
        _ => {
            decoder.error(node.at, "a match needs exactly one path", PATHS);
            None
        }
    };
    let host = fields
        .take("host")
        .and_then(|node| decoder.parsed(node, "host", host_pattern));
    let methods = fields.take("methods").map_or(Vec::new(), |node| {
        let nodes = decoder.one_or_many(node).into_iter();
        nodes
            .filter_map(|node| decoder.parsed(node, "methods", method))
            .collect()
    });
    let headers = fields.take("headers");
    let headers = values(decoder, headers, "headers", |name| {
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| "write a header's name".to_owned())
    });
    let query = fields.take("query");
    let query = values(decoder, query, "query", |name| Ok(Arc::from(name)));
    let cookies = fields.take("cookies");
    let cookies = values(decoder, cookies, "cookies", |name| Ok(Arc::from(name)));
    let client_ips = fields.take("client_ip");
    let client_ips = client_ips.map_or(Vec::new(), |node| networks(decoder, node, "client_ip"));
    fields.finish(decoder);
    Some(RouteMatch {
        host: host.unwrap_or(HostPattern::Any),
        path: path?,
        methods,
        headers,
        query,
        cookies,
        client_ips,
    })
}

/// The default name of a route: methods, host and path as written.
pub(super) fn describe(matches: &RouteMatch) -> String {
    let mut text = String::new();
    if !matches.methods.is_empty() {
        let methods: Vec<_> = matches.methods.iter().map(Method::as_str).collect();
        text.push_str(&methods.join(","));
        text.push(' ');
    }
    match &matches.host {
        HostPattern::Any => {}
        HostPattern::Suffix(suffix) => {
            text.push('*');
            text.push_str(suffix);
        }
        HostPattern::Exact(host) => text.push_str(host),
    }
    text.push_str(&matches.path.text);
    text
}

fn path_pattern(text: &str) -> Result<PathPattern, String> {
    let kind = PathKind::Segments(segments(text)?);
    Ok(PathPattern {
        text: text.into(),
        is_prefix: false,
        kind,
    })
}

/// `/api` is `/api` and `/api/{*rest}`; `/` is everything.
fn prefix_pattern(text: &str) -> Result<PathPattern, String> {
    if text.contains(['{', '}']) {
        return Err("a prefix has no parameters: write `path:` instead".to_owned());
    }
    let bare = text.strip_suffix('/').unwrap_or(text);
    let mut segments = if bare.is_empty() && text == "/" {
        Vec::new()
    } else {
        segments(bare)?
    };
    segments.push(Segment::Rest(PREFIX_REST.into()));
    let text = if bare.is_empty() {
        "/*".to_owned()
    } else {
        format!("{bare}/*")
    };
    Ok(PathPattern {
        text: text.into(),
        is_prefix: true,
        kind: PathKind::Segments(segments),
    })
}

fn regex_pattern(text: &str) -> Result<PathPattern, String> {
    let regex = regex::Regex::new(&format!("^(?:{text})$"))
        .map_err(|error| format!("write a regular expression; this one fails: {error}"))?;
    Ok(PathPattern {
        text: text.into(),
        is_prefix: false,
        kind: PathKind::Regex(regex),
    })
}

fn segments(text: &str) -> Result<Vec<Segment>, String> {
    let Some(path) = text.strip_prefix('/') else {
        return Err("a path begins with `/`".to_owned());
    };
    if path.contains("//") || path.starts_with('/') {
        return Err(
            "write single slashes: requests are matched in their canonical form".to_owned(),
        );
    }
    let count = path.split('/').count();
    if count > SEGMENTS_MAX {
        return Err(format!("write at most {SEGMENTS_MAX} segments"));
    }
    let mut names = HashSet::new();
    let segment = |(index, text): (usize, &str)| {
        let segment = one_segment(text)?;
        if let Segment::Param(name) | Segment::Rest(name) = &segment
            && !names.insert(Arc::clone(name))
        {
            return Err(format!(
                "the parameter `{name}` is there twice: give each its own name"
            ));
        }
        if matches!(segment, Segment::Rest(_)) && index + 1 < count {
            return Err("`{*…}` takes all that is left: it must come last".to_owned());
        }
        Ok(segment)
    };
    path.split('/').enumerate().map(segment).collect()
}

fn one_segment(text: &str) -> Result<Segment, String> {
    let whole = || "a parameter is a whole segment: `/orders/{id}`, `/web/{*rest}`".to_owned();
    let Some(inside) = text.strip_prefix('{') else {
        if text.contains(['{', '}']) {
            return Err(whole());
        }
        return literal(text);
    };
    let inside = inside.strip_suffix('}').ok_or_else(whole)?;
    let (name, rest) = match inside.strip_prefix('*') {
        Some(name) => (name, true),
        None => (inside, false),
    };
    if name.is_empty()
        || !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    {
        return Err(whole());
    }
    Ok(if rest {
        Segment::Rest(name.into())
    } else {
        Segment::Param(name.into())
    })
}

/// A literal must be spelled as canonical paths are, or it could never match.
fn literal(text: &str) -> Result<Segment, String> {
    if matches!(text, "." | "..") {
        return Err("dot segments never reach the table".to_owned());
    }
    if let Some(found) = text
        .chars()
        .find(|char| matches!(char, '?' | '#' | ' ' | '\\' | '%') || !char.is_ascii())
    {
        return Err(format!(
            "`{found}` cannot stand in a literal segment; use a parameter, or `query:` for a query"
        ));
    }
    Ok(Segment::Literal(text.into()))
}

fn host_pattern(text: &str) -> Result<HostPattern, String> {
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_prefix("*.").unwrap_or(&lower);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let address = name.parse::<std::net::IpAddr>().is_ok();
    if !address && !name.split('.').all(label) {
        return Err("write a host such as `shop.test` or `*.shop.test`, without a port".to_owned());
    }
    Ok(match lower.strip_prefix('*') {
        Some(suffix) => HostPattern::Suffix(suffix.into()),
        None => HostPattern::Exact(lower.into()),
    })
}

fn method(text: &str) -> Result<Method, String> {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let upper = text.to_ascii_uppercase();
    if text != upper && KNOWN.contains(&upper.as_str()) {
        return Err(format!("methods are in capitals: `{upper}`"));
    }
    if matches!(text, "CONNECT" | "TRACE") {
        return Err("CONNECT and TRACE are not served".to_owned());
    }
    // Methods that are not registered are allowed if they are spelled like one.
    let valid = text
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    Method::from_bytes(text.as_bytes())
        .ok()
        .filter(|_| valid)
        .ok_or_else(|| one_of(text, &KNOWN))
}

/// `{ name: value }`; the value `*` stands for any.
fn values<N>(
    decoder: &mut Decoder<'_>,
    node: Option<&Node>,
    key: &str,
    name: impl Fn(&str) -> Result<N, String>,
) -> Vec<ValueMatch<N>> {
    let entries = node
        .and_then(|node| decoder.entries(node, key))
        .unwrap_or(&[]);
    let mut read = |(key, node): &(Key, Node)| {
        let value = decoder.text(node, &key.text)?;
        match name(&key.text) {
            Ok(name) => Some(ValueMatch {
                name,
                value: (value != "*").then(|| value.into()),
            }),
            Err(mend) => {
                decoder.error(key.at, format!("`{}` cannot be matched", key.text), mend);
                None
            }
        }
    };
    entries.iter().filter_map(&mut read).collect()
}
