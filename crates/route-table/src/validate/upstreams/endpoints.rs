//! `endpoints:`, `registry:`, `protocol:` and `tls:` — where an upstream is, and what it speaks.

use std::sync::Arc;

use crate::defaults::WEIGHT_MAX;
use crate::parse::{Node, Value};
use crate::table::{
    EndpointAddress, EndpointSource, StaticEndpoint, TlsFiles, UpstreamProtocol, UpstreamTls,
};
use crate::validate::decoder::{Decoder, Fields, one_of};

const EXAMPLE: &str = "write `endpoints: [\"http://127.0.0.1:7001\"]`, or `registry: NAME`";

pub(super) fn source(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<EndpointSource> {
    let (endpoints, registry) = (fields.take("endpoints"), fields.take("registry"));
    match (endpoints, registry) {
        (Some(node), None) => {
            let nodes = decoder.one_or_many(node);
            if nodes.is_empty() {
                decoder.error(node.at, "`endpoints` is empty", EXAMPLE);
            }
            let endpoints = nodes.into_iter();
            let endpoints = endpoints.filter_map(|node| endpoint(decoder, node));
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

/// A URL, or a mapping with the URL and what else is known of the endpoint.
fn endpoint(decoder: &mut Decoder<'_>, node: &Node) -> Option<StaticEndpoint> {
    if !matches!(node.value, Value::Mapping(_)) {
        return decoder.parsed(node, "endpoints", |text| {
            url(text).map(|(address, tls)| plain(address, tls))
        });
    }
    let mut fields = Fields::of(decoder, node, "an endpoint")?;
    let mend = "write `{ url: \"http://10.0.0.7:7001\", weight: 2, zone: a, priority: 0 }`";
    let found = fields.require(decoder, "url", mend);
    let found = found.and_then(|node| decoder.parsed(node, "url", url));
    let weight = fields.take("weight");
    let weight = decoder.count(weight, "weight", 1..=WEIGHT_MAX, 1);
    let zone = fields.take("zone");
    let zone = zone.and_then(|node| decoder.zone(node));
    let priority = fields.take("priority");
    let priority = decoder.count(priority, "priority", 0..=9, 0);
    fields.finish(decoder);
    let (address, tls) = found?;
    Some(StaticEndpoint {
        weight,
        zone,
        priority: u8::try_from(priority).unwrap_or(u8::MAX),
        ..plain(address, tls)
    })
}

fn plain(address: EndpointAddress, tls: bool) -> StaticEndpoint {
    StaticEndpoint {
        address,
        tls,
        weight: 1,
        zone: None,
        priority: 0,
    }
}

/// `http://host[:port]`, `https://host[:port]` or `unix:/path`.
fn url(text: &str) -> Result<(EndpointAddress, bool), String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return if path.starts_with('/') && path.len() < 108 {
            Ok((EndpointAddress::Unix(path.into()), false))
        } else {
            Err("write an absolute path of up to 107 bytes, such as unix:/run/app.sock".to_owned())
        };
    }
    let mend = || {
        "write a URL without a path, such as http://127.0.0.1:7001 or https://orders.internal, \
         or unix:/run/app.sock"
            .to_owned()
    };
    let url = url::Url::parse(text).map_err(|_| mend())?;
    let bare = matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !bare {
        return Err(mend());
    }
    let host = url.host_str().ok_or_else(mend)?;
    let host = host.trim_matches(['[', ']']).into();
    let port = url
        .port_or_known_default()
        .filter(|port| *port > 0)
        .ok_or_else(mend)?;
    Ok((EndpointAddress::Tcp { host, port }, url.scheme() == "https"))
}

pub(super) fn protocol(decoder: &mut Decoder<'_>, node: &Node) -> UpstreamProtocol {
    let read = |text: &str| match text {
        "auto" => Ok(UpstreamProtocol::Auto),
        "http1" => Ok(UpstreamProtocol::Http1),
        "http2" => Ok(UpstreamProtocol::Http2),
        _ => Err(one_of(text, &["auto", "http1", "http2"])),
    };
    decoder.parsed(node, "protocol", read).unwrap_or_default()
}

pub(super) fn tls(
    decoder: &mut Decoder<'_>,
    node: &Node,
    endpoints: &EndpointSource,
) -> UpstreamTls {
    let Some(mut fields) = Fields::of(decoder, node, "`tls`") else {
        return UpstreamTls::default();
    };
    if let EndpointSource::Static(endpoints) = endpoints
        && !endpoints.is_empty()
        && endpoints.iter().all(|endpoint| !endpoint.tls)
    {
        let message = "`tls` is said of an upstream without a single https endpoint";
        decoder.error(
            node.at,
            message,
            "write https:// in `endpoints`, or drop `tls`",
        );
    }
    let ca = fields.take("ca").and_then(|node| decoder.path(node, "ca"));
    let server_name = fields.take("server_name");
    let server_name = server_name.and_then(|node| decoder.text(node, "server_name").map(Arc::from));
    let (cert, key) = (fields.take("cert"), fields.take("key"));
    if cert.is_some() != key.is_some() {
        let message = "a client certificate needs both `cert` and `key`";
        decoder.error(node.at, message, "write both, as PEM files");
    }
    let cert = cert.and_then(|node| decoder.path(node, "cert"));
    let key = key.and_then(|node| decoder.path(node, "key"));
    fields.finish(decoder);
    UpstreamTls {
        ca,
        server_name,
        client: cert.zip(key).map(|(cert, key)| TlsFiles { cert, key }),
    }
}
