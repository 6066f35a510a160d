//! `listeners:` — the sockets.

use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::defaults::{BODY_PROGRESS_TIMEOUT, CLIENT_IDLE_TIMEOUT, HEADER_READ_TIMEOUT};
use crate::parse::{Node, Value};
use crate::table::{
    ClientCertificates, Listener, ListenerKind, ListenerTimeouts, ListenerTls, Rate, TlsFiles,
};
use crate::validate::decoder::{Decoder, Fields};

const DEFAULT_TIMEOUTS: ListenerTimeouts = ListenerTimeouts {
    header: HEADER_READ_TIMEOUT,
    idle: CLIENT_IDLE_TIMEOUT,
    body: BODY_PROGRESS_TIMEOUT,
};

const EXAMPLE: &str = "write `listeners: [ { bind: \"127.0.0.1:8080\" } ]`";

pub(super) fn read(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Vec<Listener> {
    let Some(node) = fields.require(decoder, "listeners", EXAMPLE) else {
        return Vec::new();
    };
    let Some(items) = decoder.list(node, "listeners") else {
        return Vec::new();
    };
    if items.is_empty() {
        decoder.error(node.at, "`listeners` is empty: nobody could call", EXAMPLE);
    }
    let first_tls_port = items.iter().find_map(tls_port);
    let mut listeners = Vec::new();
    for item in items {
        if let Some(listener) = listener(decoder, item, first_tls_port, &listeners) {
            listeners.push(listener);
        }
    }
    listeners
}

/// Where redirects go by default: the port of a listener with TLS. Mistakes in it are reported when it
/// is read itself.
fn tls_port(item: &Node) -> Option<u16> {
    let Value::Mapping(entries) = &item.value else {
        return None;
    };
    let value = |key: &str| {
        entries
            .iter()
            .find(|(known, _)| known.text == key)
            .map(|(_, node)| node)
    };
    value("tls")?;
    let bind = match &value("bind")?.value {
        Value::Scalar(text) => text,
        Value::Sequence(items) => match &items.first()?.value {
            Value::Scalar(text) => text,
            _ => return None,
        },
        _ => return None,
    };
    bind.parse::<SocketAddr>().ok().map(|addr| addr.port())
}

fn listener(
    decoder: &mut Decoder<'_>,
    node: &Node,
    tls_port: Option<u16>,
    before: &[Listener],
) -> Option<Listener> {
    let mut fields = Fields::of(decoder, node, "a listener")?;
    let bind = bind(decoder, &mut fields);
    check_addresses(decoder, node, &bind, before);
    let name = fields
        .take("name")
        .and_then(|node| decoder.text(node, "name"));
    let tls = fields.take("tls").and_then(|node| tls(decoder, node));
    let redirect = fields.take("redirect_to_https");
    let internal = fields.take("internal");
    let internal = internal
        .and_then(|node| decoder.boolean(node, "internal"))
        .unwrap_or(false);
    let redirect = redirect.and_then(|node| redirect_port(decoder, node, tls_port));
    let kind = match redirect {
        Some(_) if internal => {
            let message = "a listener cannot both redirect and be internal";
            decoder.error(node.at, message, "make two listeners of it");
            ListenerKind::Internal
        }
        Some(port) => ListenerKind::RedirectToHttps { port },
        None if internal => ListenerKind::Internal,
        None => ListenerKind::Edge,
    };
    let trusted_proxies = fields.take("trusted_proxies");
    let trusted_proxies = trusted_proxies.map_or(Vec::new(), |node| {
        networks(decoder, node, "trusted_proxies")
    });
    let per_ip_limit = fields
        .take("per_ip_limit")
        .and_then(|node| per_ip_limit(decoder, node));
    let proxy_protocol = fields.take("proxy_protocol");
    let proxy_protocol = proxy_protocol
        .and_then(|node| decoder.boolean(node, "proxy_protocol"))
        .unwrap_or(false);
    let timeouts = fields.take("timeouts");
    let timeouts = timeouts.map_or(DEFAULT_TIMEOUTS, |node| timeouts_of(decoder, node));
    fields.finish(decoder);
    let name = unique_name(decoder, node, name, kind, before);
    let position = decoder.position(node.at);
    Some(Listener {
        name,
        position,
        bind,
        tls,
        kind,
        trusted_proxies,
        per_ip_limit,
        proxy_protocol,
        timeouts,
    })
}

fn timeouts_of(decoder: &mut Decoder<'_>, node: &Node) -> ListenerTimeouts {
    let Some(mut fields) = Fields::of(decoder, node, "`timeouts` of a listener") else {
        return DEFAULT_TIMEOUTS;
    };
    let mut read = |key, default| {
        let node = fields.take(key);
        decoder.duration(node, key, default)
    };
    let timeouts = ListenerTimeouts {
        header: read("header", DEFAULT_TIMEOUTS.header),
        idle: read("idle", DEFAULT_TIMEOUTS.idle),
        body: read("body", DEFAULT_TIMEOUTS.body),
    };
    fields.finish(decoder);
    timeouts
}

/// `bind`: one address or a list.
pub(super) fn bind(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Vec<SocketAddr> {
    let mend = "write `bind: \"127.0.0.1:8443\"`, or a list of such addresses";
    let Some(node) = fields.require(decoder, "bind", mend) else {
        return Vec::new();
    };
    let nodes = decoder.one_or_many(node);
    if nodes.is_empty() {
        decoder.error(node.at, "`bind` is empty", mend);
    }
    nodes
        .into_iter()
        .filter_map(|node| decoder.address(node, "bind"))
        .collect()
}

/// An address has one listener; port 0 is a free one each time.
fn check_addresses(
    decoder: &mut Decoder<'_>,
    node: &Node,
    bind: &[SocketAddr],
    before: &[Listener],
) {
    for (index, addr) in bind.iter().enumerate() {
        let given = before.iter().flat_map(|listener| &listener.bind);
        let mut given = given.chain(bind.iter().take(index));
        if addr.port() != 0 && given.any(|other| other == addr) {
            let message = format!("two listeners bind {addr}");
            decoder.error(node.at, message, "give one of them another address");
        }
    }
}

fn tls(decoder: &mut Decoder<'_>, node: &Node) -> Option<ListenerTls> {
    let mut fields = Fields::of(decoder, node, "`tls`")?;
    let mend = "write `tls: { cert: edge.pem, key: edge.key }`, both files in PEM";
    let mut file = |key| {
        let node = fields.require(decoder, key, mend)?;
        decoder.path(node, key)
    };
    let (cert, key) = (file("cert"), file("key"));
    let clients = fields.take("clients");
    let clients = clients.and_then(|node| clients_of(decoder, node));
    fields.finish(decoder);
    Some(ListenerTls {
        files: TlsFiles {
            cert: cert?,
            key: key?,
        },
        clients,
    })
}

/// Whose certificates are good.
fn clients_of(decoder: &mut Decoder<'_>, node: &Node) -> Option<ClientCertificates> {
    let mut fields = Fields::of(decoder, node, "`clients`")?;
    let mend = "name a PEM file of authorities, such as `clients: { ca: partners.pem }`";
    let ca = fields.require(decoder, "ca", mend);
    let ca = ca.and_then(|node| decoder.path(node, "ca"));
    let required = fields.take("required");
    let required = required.and_then(|node| decoder.boolean(node, "required"));
    fields.finish(decoder);
    Some(ClientCertificates {
        ca: ca?,
        required: required.unwrap_or(false),
    })
}

/// `true`: the port of the first listener with TLS; or a port. `false` is no redirect.
fn redirect_port(decoder: &mut Decoder<'_>, node: &Node, tls_port: Option<u16>) -> Option<u16> {
    let text = decoder.text(node, "redirect_to_https")?;
    match (text, tls_port) {
        ("false", _) => None,
        ("true", Some(port)) => Some(port),
        ("true", None) => {
            let message = "there is no listener with TLS to redirect to";
            decoder.error(
                node.at,
                message,
                "add `tls:` to a listener, or write the port",
            );
            None
        }
        (text, _) => {
            let port = text.parse::<u16>().ok().filter(|port| *port > 0);
            if port.is_none() {
                let message = format!("`redirect_to_https` cannot be `{text}`");
                decoder.error(node.at, message, "write `true` or a port, such as `443`");
            }
            port
        }
    }
}

/// CIDR blocks; a bare address is a block of one.
pub(super) fn networks(decoder: &mut Decoder<'_>, node: &Node, key: &str) -> Vec<IpNet> {
    let read = |text: &str| {
        let net = text.parse::<IpNet>().ok();
        let one = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
        net.or_else(one)
            .ok_or_else(|| "write a network such as \"10.0.0.0/8\"".to_owned())
    };
    let nodes = decoder.one_or_many(node);
    nodes
        .into_iter()
        .filter_map(|node| decoder.parsed(node, key, read))
        .collect()
}

fn per_ip_limit(decoder: &mut Decoder<'_>, node: &Node) -> Option<Rate> {
    let mut fields = Fields::of(decoder, node, "`per_ip_limit`")?;
    let rate = decoder.rate(&mut fields);
    fields.finish(decoder);
    Some(rate)
}

fn unique_name(
    decoder: &mut Decoder<'_>,
    node: &Node,
    given: Option<&str>,
    kind: ListenerKind,
    before: &[Listener],
) -> Arc<str> {
    let taken = |name: &str| before.iter().any(|listener| &*listener.name == name);
    if let Some(name) = given {
        if taken(name) {
            let message = format!("two listeners are called `{name}`");
            decoder.error(node.at, message, "give one of them another `name`");
        }
        return name.into();
    }
    let base = match kind {
        ListenerKind::Edge => "edge",
        ListenerKind::RedirectToHttps { .. } => "redirect",
        ListenerKind::Internal => "internal",
    };
    let numbered = (2..).map(|number| format!("{base}-{number}"));
    let mut names = std::iter::once(base.to_owned()).chain(numbered);
    names.find(|name| !taken(name)).unwrap_or_default().into()
}
