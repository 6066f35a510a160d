//! `upstreams:` — who answers.

use std::sync::Arc;

use crate::defaults;
use crate::parse::{Key, Node};
use crate::table::{Balance, EndpointSource, HealthCheck, StaticEndpoint, Upstream};
use crate::validate::decoder::{Decoder, Fields, one_of};
use crate::validate::{Section, section};

const EXAMPLE: &str = "write `endpoints: [\"http://127.0.0.1:7001\"]`, or `registry: NAME`";

pub(super) fn read(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Section<Upstream> {
    let node = fields.take("upstreams");
    section(decoder, node, "upstreams", upstream)
}

fn upstream(decoder: &mut Decoder<'_>, name: &Arc<str>, key: &Key, node: &Node) -> Upstream {
    let mut row = Upstream {
        name: Arc::clone(name),
        position: decoder.position(key.at),
        endpoints: EndpointSource::Static(Vec::new()),
        strip_prefix: None,
        balance: Balance::default(),
        health: None,
        connect_timeout: defaults::CONNECT_TIMEOUT,
        idle_timeout: defaults::IDLE_TIMEOUT,
        preserve_host: true,
    };
    let Some(mut fields) = Fields::of(decoder, node, &format!("upstream `{name}`")) else {
        return row;
    };
    if let Some(endpoints) = endpoint_source(decoder, &mut fields) {
        row.endpoints = endpoints;
    }
    row.strip_prefix = fields
        .take("strip_prefix")
        .and_then(|node| decoder.parsed(node, "strip_prefix", prefix));
    if let Some(node) = fields.take("balance") {
        row.balance = balance(decoder, node);
    }
    row.health = fields.take("health").and_then(|node| health(decoder, node));
    if let Some(node) = fields.take("timeouts") {
        timeouts(decoder, node, &mut row);
    }
    if let Some(node) = fields.take("preserve_host") {
        row.preserve_host = decoder.boolean(node, "preserve_host").unwrap_or(true);
    }
    fields.finish(decoder);
    row
}

fn endpoint_source(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<EndpointSource> {
    let (endpoints, registry) = (fields.take("endpoints"), fields.take("registry"));
    match (endpoints, registry) {
        (Some(node), None) => {
            let nodes = decoder.one_or_many(node);
            if nodes.is_empty() {
                decoder.error(node.at, "`endpoints` is empty", EXAMPLE);
            }
            let endpoints = nodes.into_iter();
            let endpoints =
                endpoints.filter_map(|node| decoder.parsed(node, "endpoints", endpoint));
            Some(EndpointSource::Static(endpoints.collect()))
        }
        (None, Some(node)) => {
            let service = decoder.text(node, "registry")?.into();
            Some(EndpointSource::Registry { service })
        }
        (Some(node), Some(_)) => {
            let message = "`endpoints` and `registry` exclude each other";
            decoder.error(node.at, message, "keep one of them");
            None
        }
        (None, None) => {
            decoder.error(fields.at, "the upstream has no endpoints", EXAMPLE);
            None
        }
    }
}

/// `http://host[:port]`.
fn endpoint(text: &str) -> Result<StaticEndpoint, String> {
    let mend = || "write a URL such as http://127.0.0.1:7001, without a path".to_owned();
    let url = url::Url::parse(text).map_err(|_| mend())?;
    if url.scheme() == "https" {
        return Err("upstream TLS is not available yet: write an http:// URL".to_owned());
    }
    let bare = url.scheme() == "http"
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !bare {
        return Err(mend());
    }
    let host = url
        .host_str()
        .ok_or_else(mend)?
        .trim_matches(['[', ']'])
        .into();
    let port = url
        .port_or_known_default()
        .filter(|port| *port > 0)
        .ok_or_else(mend)?;
    Ok(StaticEndpoint { host, port })
}

/// Whole segments, without a slash at the end.
fn prefix(text: &str) -> Result<Arc<str>, String> {
    let valid = text.starts_with('/')
        && !text.ends_with('/')
        && !text.contains("//")
        && !text.contains(['?', '#', '%', '{', ' ']);
    if valid {
        Ok(text.into())
    } else {
        Err("write whole segments, such as `/api`".to_owned())
    }
}

fn balance(decoder: &mut Decoder<'_>, node: &Node) -> Balance {
    let read = |text: &str| match text {
        "peak_ewma" => Ok(Balance::PeakEwma),
        "round_robin" => Ok(Balance::RoundRobin),
        _ => Err(one_of(text, &["peak_ewma", "round_robin"])),
    };
    decoder.parsed(node, "balance", read).unwrap_or_default()
}

fn health(decoder: &mut Decoder<'_>, node: &Node) -> Option<HealthCheck> {
    let mut fields = Fields::of(decoder, node, "`health`")?;
    let path = fields.require(decoder, "path", "write `path: /readyz`");
    let path = path.and_then(|node| {
        decoder.parsed(node, "path", |text| {
            let valid = text.starts_with('/') && !text.contains([' ', '#']);
            if valid {
                Ok(Arc::from(text))
            } else {
                Err("write a path, such as `/readyz`".to_owned())
            }
        })
    });
    let interval = fields.take("interval");
    let interval = decoder.duration(interval, "interval", defaults::HEALTH_INTERVAL);
    let timeout = fields.take("timeout");
    let timeout = decoder.duration(timeout, "timeout", defaults::HEALTH_TIMEOUT);
    let unhealthy_after = fields.take("unhealthy_after");
    let unhealthy_after = decoder.count(
        unhealthy_after,
        "unhealthy_after",
        1..=100,
        defaults::UNHEALTHY_AFTER,
    );
    let healthy_after = fields.take("healthy_after");
    let healthy_after = decoder.count(
        healthy_after,
        "healthy_after",
        1..=100,
        defaults::HEALTHY_AFTER,
    );
    fields.finish(decoder);
    let path = path.unwrap_or_else(|| "/".into());
    Some(HealthCheck {
        path,
        interval,
        timeout,
        unhealthy_after,
        healthy_after,
    })
}

fn timeouts(decoder: &mut Decoder<'_>, node: &Node, row: &mut Upstream) {
    let Some(mut fields) = Fields::of(decoder, node, "`timeouts`") else {
        return;
    };
    let connect = fields.take("connect");
    row.connect_timeout = decoder.duration(connect, "connect", row.connect_timeout);
    let idle = fields.take("idle");
    row.idle_timeout = decoder.duration(idle, "idle", row.idle_timeout);
    fields.finish(decoder);
}
