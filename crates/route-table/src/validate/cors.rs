//! `cors:` of a route — whose pages may read its answers.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use crate::defaults;
use crate::parse::{Node, Value};
use crate::table::{
    Cors, OriginHost, OriginPattern, OriginPort, Origins, WildOrigin, is_labels, is_port,
    split_port,
};
use crate::validate::decoder::{Decoder, Fields};
use crate::validate::route_match::method;
use crate::validate::scalars::parse_duration;

const EXAMPLE: &str = "write for example `origins: [\"https://shop.test\"]`";

pub(super) fn read(decoder: &mut Decoder<'_>, node: Option<&Node>) -> Option<Box<Cors>> {
    let node = node?;
    let mut fields = Fields::of(decoder, node, "`cors`")?;
    let given = fields.require(decoder, "origins", EXAMPLE);
    let origins = given.map(|node| origins(decoder, node));
    let methods = fields.take("methods");
    let methods = methods.and_then(|node| {
        listed(decoder, node, "methods", |text| {
            method(text).map(|method| method.to_string())
        })
    });
    let headers = fields.take("headers");
    let headers = headers.and_then(|node| listed(decoder, node, "headers", header));
    let expose = fields.take("expose");
    let expose = expose.and_then(|node| listed(decoder, node, "expose", header));
    let credentials = fields.take("credentials");
    let credentials = credentials
        .and_then(|node| decoder.boolean(node, "credentials"))
        .unwrap_or(false);
    let max_age = fields.take("max_age");
    let max_age = max_age.and_then(|node| decoder.parsed(node, "max_age", parse_duration));
    fields.finish(decoder);
    if let (Some(node), true, Some(Origins::Any)) = (given, credentials, &origins) {
        decoder.error(
            node.at,
            "any page of the web could act as the user: `*` with `credentials`",
            "list the origins that may, or take `credentials` away",
        );
    }
    Some(Box::new(Cors {
        origins: origins?,
        methods,
        headers,
        expose,
        credentials,
        max_age: max_age.unwrap_or(defaults::CORS_MAX_AGE),
    }))
}

fn origins(decoder: &mut Decoder<'_>, node: &Node) -> Origins {
    let nodes = decoder.one_or_many(node);
    if nodes.is_empty() {
        decoder.error(node.at, "`origins` names none", EXAMPLE);
    }
    let is_any = |node: &&Node| matches!(&node.value, Value::Scalar(text) if text == "*");
    if nodes.iter().any(is_any) {
        if let Some(other) = nodes.iter().find(|node| !is_any(node)) {
            let message = "`*` is everybody, whoever stands beside it";
            decoder.error(other.at, message, "leave either out");
        }
        return Origins::Any;
    }
    let read = |node: &Node| match node.value {
        // A plain `null` is YAML's word for nothing.
        Value::Null => Some(exact("null")),
        _ => decoder.parsed(node, "origins", origin),
    };
    Origins::Listed(nodes.into_iter().filter_map(read).collect())
}

fn exact(text: &str) -> OriginPattern {
    OriginPattern {
        text: text.into(),
        wild: None,
    }
}

/// `scheme://host[:port]`; `*.` may begin the host, and `*` be the port.
fn origin(text: &str) -> Result<OriginPattern, String> {
    const MEND: &str = "write scheme, host and port as browsers do, in lower case: `https://shop.test`, \
         `https://*.shop.test`, `http://localhost:*`, or `null`";
    if text == "null" {
        return Ok(exact(text));
    }
    let (scheme, authority) = text.split_once("://").ok_or(MEND)?;
    if let Some((bare, _)) = authority.split_once('/') {
        return Err(format!("an origin has no path: `{scheme}://{bare}`"));
    }
    let (host, port) = split_port(authority);
    if let ("https", Some("443")) | ("http", Some("80")) = (scheme, port) {
        return Err(format!(
            "browsers leave the scheme's own port out: `{scheme}://{host}`"
        ));
    }
    let is_scheme = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte)
            })
    };
    let below = host.strip_prefix('*').filter(|rest| rest.starts_with('.'));
    let name = below.map_or(host, |suffix| suffix.trim_start_matches('.'));
    let is_address = |name: &str| {
        let inner = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
    };
    if !is_scheme(scheme) || !(is_labels(name) || below.is_none() && is_address(name)) {
        return Err(MEND.to_owned());
    }
    let port = match port {
        Some("*") => OriginPort::Any,
        Some(port) if !is_port(port) => return Err(MEND.to_owned()),
        port => OriginPort::Exact(port.map(Arc::from)),
    };
    let is_wild = below.is_some() || port == OriginPort::Any;
    let wild = is_wild.then(|| WildOrigin {
        scheme: scheme.into(),
        host: below.map_or_else(
            || OriginHost::Exact(host.into()),
            |suffix| OriginHost::Below(suffix.into()),
        ),
        port,
    });
    Ok(OriginPattern {
        text: text.into(),
        wild,
    })
}

fn header(text: &str) -> Result<String, String> {
    match HeaderName::from_bytes(text.as_bytes()) {
        // It would mean a header of that name where credentials are sent, and all headers elsewhere.
        Ok(_) if text == "*" => {
            Err("name them; left out, those that are asked for are meant".to_owned())
        }
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("write a header's name, such as `X-Requested-With`".to_owned()),
    }
}

/// A list as the header that says it.
fn listed(
    decoder: &mut Decoder<'_>,
    node: &Node,
    key: &str,
    read: impl Fn(&str) -> Result<String, String>,
) -> Option<HeaderValue> {
    let nodes = decoder.one_or_many(node).into_iter();
    let names: Vec<String> = nodes
        .filter_map(|node| decoder.parsed(node, key, &read))
        .collect();
    HeaderValue::try_from(names.join(", ")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn takes(pattern: &str, origin_sent: &str) -> bool {
        let pattern = origin(pattern).unwrap_or_else(|mend| panic!("{pattern}: {mend}"));
        Origins::Listed(vec![pattern]).allow(origin_sent)
    }

    #[test]
    fn an_origin_is_taken_as_a_whole() {
        for (pattern, sent, taken) in [
            ("https://shop.test", "https://shop.test", true),
            ("https://shop.test", "http://shop.test", false),
            ("https://shop.test", "https://shop.test:8443", false),
            ("https://shop.test", "https://shop.test.evil.test", false),
            ("https://shop.test", "null", false),
            ("null", "null", true),
            ("http://[::1]:3000", "http://[::1]:3000", true),
            ("capacitor://localhost", "capacitor://localhost", true),
        ] {
            assert_eq!(takes(pattern, sent), taken, "{pattern} {sent}");
        }
    }

    #[test]
    fn a_star_stands_for_labels_or_a_port_and_for_nothing_else() {
        for (pattern, sent, taken) in [
            ("https://*.shop.test", "https://a.shop.test", true),
            ("https://*.shop.test", "https://a.b.shop.test", true),
            ("https://*.shop.test", "https://shop.test", false),
            ("https://*.shop.test", "https://.shop.test", false),
            ("https://*.shop.test", "https://evilshop.test", false),
            ("https://*.shop.test", "https://a.shop.test:8443", false),
            ("https://*.shop.test", "https://evil.test/.shop.test", false),
            ("https://*.shop.test", "https://evil.test#.shop.test", false),
            (
                "https://*.shop.test",
                "https://evil.test:1@a.shop.test",
                false,
            ),
            ("https://*.shop.test:*", "https://a.shop.test:8443", true),
            ("http://localhost:*", "http://localhost:3000", true),
            ("http://localhost:*", "http://localhost", true),
            (
                "http://localhost:*",
                "http://localhost:3000.evil.test",
                false,
            ),
            ("http://localhost:*", "http://localhost:", false),
            ("http://[::1]:*", "http://[::1]:3000", true),
            ("http://[::1]:*", "http://[::1]", true),
        ] {
            assert_eq!(takes(pattern, sent), taken, "{pattern} {sent}");
        }
    }
}
