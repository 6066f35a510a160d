//! Providers that ask somebody else about a caller.

use std::time::Duration;

use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE};

use super::provider::claims_of;
use crate::defaults;
use crate::parse::{Node, Value};
use crate::table::{Asked, ClaimSource, ForwardCheck, Introspection, UpstreamId};
use crate::validate::decoder::{Decoder, Fields};
use crate::validate::names::Names;

/// `forward:` — a service that says yes or no.
pub(super) fn forward(decoder: &mut Decoder<'_>, node: &Node, upstreams: &Names) -> ForwardCheck {
    let mut fields = Fields::of_or_empty(decoder, node, "`forward`".to_owned());
    let asked = asked(decoder, &mut fields, upstreams);
    let send = fields.take("send").map(|node| {
        let nodes = decoder.one_or_many(node).into_iter();
        let names = nodes.filter_map(|node| decoder.parsed(node, "send", header_name));
        names.collect()
    });
    let mend = "write which header of the answer says who it is: `claims: { sub: X-User-Id }`, or \
                `claims: body` where the answer is JSON";
    let claims = fields.require(decoder, "claims", mend);
    let claims = claims.map(|node| match &node.value {
        Value::Scalar(text) if text == "body" => ClaimSource::Body,
        _ => ClaimSource::Headers(claims_of(decoder, node, "claims")),
    });
    fields.finish(decoder);
    ForwardCheck {
        asked,
        send: send.unwrap_or_else(|| vec![AUTHORIZATION, COOKIE]),
        claims: claims.unwrap_or(ClaimSource::Body),
    }
}

/// `introspection:` — an authorisation server that knows its tokens.
pub(super) fn introspection(
    decoder: &mut Decoder<'_>,
    node: &Node,
    upstreams: &Names,
) -> Introspection {
    let mut fields = Fields::of_or_empty(decoder, node, "`introspection`".to_owned());
    let asked = asked(decoder, &mut fields, upstreams);
    let mend = "write the name by which the gateway is registered there";
    let client_id = fields.require(decoder, "client_id", mend);
    let client_id = client_id.and_then(|node| decoder.text(node, "client_id"));
    let mend = "name a file that holds nothing but the secret";
    let secret = fields.require(decoder, "client_secret_file", mend);
    let secret = secret.and_then(|node| decoder.path(node, "client_secret_file"));
    let audiences = fields.take("audiences").map_or(Vec::new(), |node| {
        let nodes = decoder.one_or_many(node).into_iter();
        let texts = nodes.filter_map(|node| decoder.text(node, "audiences"));
        texts.map(Into::into).collect()
    });
    fields.finish(decoder);
    Introspection {
        asked,
        client_id: client_id.unwrap_or_default().into(),
        client_secret_file: secret.unwrap_or_default(),
        audiences,
    }
}

fn asked(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>, upstreams: &Names) -> Asked {
    let upstream = fields.require(decoder, "upstream", "name one of `upstreams`");
    let upstream = upstream.map_or(0, |node| upstreams.resolve(decoder, node, "upstream"));
    let path = fields.require(
        decoder,
        "path",
        "write where to ask, such as `path: /session`",
    );
    let path = path.and_then(|node| decoder.parsed(node, "path", target));
    let mut time = |key, default| {
        let node = fields.take(key);
        decoder.duration(node, key, default)
    };
    let timeout = time("timeout", defaults::AUTH_CHECK_TIMEOUT);
    let cache = time("cache", Duration::ZERO);
    let stale = super::stale(decoder, fields, Duration::ZERO);
    Asked {
        upstream: UpstreamId(upstream),
        target: path.unwrap_or_default().into(),
        timeout,
        cache,
        stale,
    }
}

fn target(text: &str) -> Result<String, String> {
    let target: Result<http::uri::PathAndQuery, _> = text.parse();
    match target {
        Ok(_) if text.starts_with('/') => Ok(text.to_owned()),
        _ => Err("write a path from its first `/` on".to_owned()),
    }
}

fn header_name(text: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| "write a header's name, such as `Cookie`".to_owned())
}
