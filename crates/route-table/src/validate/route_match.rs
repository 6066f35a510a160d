//! `match:` of a route.

use std::sync::Arc;

use http::{HeaderName, Method};
use smallvec::SmallVec;

use crate::defaults::SEGMENTS_MAX;
use crate::parse::{Key, Node};
use crate::table::{Conditions, HostPattern, PathKind, PathPattern, RouteMatch, ValueMatch};
use crate::validate::decoder::{Decoder, Fields, one_of};
use crate::validate::listeners::networks;
use crate::validate::shared::Shared;

const PATHS: &str = "write one of `path: /orders/{id}`, `prefix: /orders`, `regex: \"/o[0-9]+\"`";

pub(super) fn read(
    decoder: &mut Decoder<'_>,
    node: &Node,
    shared: &mut Shared<Conditions>,
) -> Option<RouteMatch> {
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
    let conditions = Conditions {
        methods,
        headers,
        query,
        cookies,
        client_ips,
    };
    let asks = conditions != Conditions::default();
    Some(RouteMatch {
        host: host.unwrap_or(HostPattern::Any),
        path: path?,
        conditions: asks.then(|| shared.share(conditions)),
    })
}

/// The default name of a route: methods, host and path as written.
pub(super) fn describe(matches: &RouteMatch) -> Arc<str> {
    let mut text = String::new();
    let conditions = matches.conditions.iter();
    let methods = conditions.flat_map(|conditions| &conditions.methods);
    let methods: Vec<_> = methods.map(Method::as_str).collect();
    if !methods.is_empty() {
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
    if text.is_empty() {
        return Arc::clone(&matches.path.text);
    }
    text.push_str(&matches.path.text);
    text.into()
}

fn path_pattern(text: &str) -> Result<PathPattern, String> {
    check_segments(text)?;
    Ok(PathPattern {
        text: text.into(),
        kind: PathKind::Segments,
    })
}

/// `/api` is `/api` and `/api/{*rest}`; `/` is everything.
fn prefix_pattern(text: &str) -> Result<PathPattern, String> {
    if text.contains(['{', '}']) {
        return Err("a prefix has no parameters: write `path:` instead".to_owned());
    }
    if text != "/" {
        check_segments(text)?;
    }
    Ok(PathPattern::prefix(text))
}

fn regex_pattern(text: &str) -> Result<PathPattern, String> {
    let regex = regex::Regex::new(&format!("^(?:{text})$"))
        .map_err(|error| format!("write a regular expression; this one fails: {error}"))?;
    Ok(PathPattern {
        text: text.into(),
        kind: PathKind::Regex(Box::new(regex)),
    })
}

fn check_segments(text: &str) -> Result<(), String> {
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
    let mut names = SmallVec::<[&str; 4]>::new();
    for (index, text) in path.split('/').enumerate() {
        let Some(name) = parameter(text)? else {
            check_literal(text)?;
            continue;
        };
        let (name, takes_rest) = match name.strip_prefix('*') {
            Some(name) => (name, true),
            None => (name, false),
        };
        if !is_name(name) {
            return Err(whole_segment());
        }
        if names.contains(&name) {
            return Err(format!(
                "the parameter `{name}` is there twice: give each its own name"
            ));
        }
        names.push(name);
        if takes_rest && index + 1 < count {
            return Err("`{*…}` takes all that is left: it must come last".to_owned());
        }
    }
    Ok(())
}

/// What stands in the braces of a segment; `None` for a literal.
fn parameter(text: &str) -> Result<Option<&str>, String> {
    match text.strip_prefix('{') {
        Some(inside) => inside.strip_suffix('}').map(Some).ok_or_else(whole_segment),
        None if text.contains(['{', '}']) => Err(whole_segment()),
        None => Ok(None),
    }
}

fn whole_segment() -> String {
    "a parameter is a whole segment: `/orders/{id}`, `/web/{*rest}`".to_owned()
}

fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    !name.is_empty() && name.bytes().all(fits)
}

/// A literal must be spelled as canonical paths are, or it could never match.
fn check_literal(text: &str) -> Result<(), String> {
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
    Ok(())
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
