//! `match:` of a route.

use std::sync::Arc;

use http::header::HOST;
use http::{HeaderName, Method};

use crate::parse::{Key, Node};
use crate::table::{Conditions, HostPattern, RouteMatch, ValueMatch};
use crate::validate::decoder::{Decoder, Fields, one_of};
use crate::validate::listeners::networks;
use crate::validate::path::{path_pattern, prefix_pattern, regex_pattern};
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
        let nodes = decoder.one_or_many(node);
        if nodes.is_empty() {
            let mend = "write the methods that are taken, or leave `methods` out for all";
            decoder.error(node.at, "`methods` names none", mend);
        }
        nodes
            .into_iter()
            .filter_map(|node| decoder.parsed(node, "methods", method))
            .collect()
    });
    let headers = fields.take("headers");
    let headers = values(decoder, headers, "headers", |name| {
        match HeaderName::from_bytes(name.as_bytes()) {
            // HTTP/2 has it elsewhere, and a port in it would be compared too.
            Ok(HOST) => Err("write `host:` beside `path:`".to_owned()),
            Ok(name) => Ok(name),
            Err(_) => Err("write a header's name".to_owned()),
        }
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

pub(super) fn method(text: &str) -> Result<Method, String> {
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
