//! `auth:` — whose tokens are believed.

use std::sync::Arc;

use http::HeaderName;

use crate::defaults;
use crate::parse::{Key, Node};
use crate::table::{Algorithm, Provider};
use crate::validate::decoder::{Decoder, Fields, one_of};
use crate::validate::{Section, section};

const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

pub(super) fn read(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Section<Provider> {
    let node = fields.take("auth");
    let mut fields = node.and_then(|node| Fields::of(decoder, node, "`auth`"));
    let providers = fields.as_mut().and_then(|fields| fields.take("providers"));
    if let Some(fields) = fields {
        fields.finish(decoder);
    }
    section(decoder, providers, "auth.providers", provider)
}

fn provider(decoder: &mut Decoder<'_>, name: &Arc<str>, key: &Key, node: &Node) -> Provider {
    let mut row = Provider {
        name: Arc::clone(name),
        position: decoder.position(key.at),
        issuer: "".into(),
        jwks_uri: "".into(),
        audiences: Vec::new(),
        algorithms: vec![Algorithm::ES256, Algorithm::RS256],
        clock_skew: defaults::CLOCK_SKEW,
        stale_keys: defaults::STALE_KEYS,
        claims_to_headers: default_claims(),
    };
    let Some(mut fields) = Fields::of(decoder, node, &format!("provider `{name}`")) else {
        return row;
    };
    let mend = "write the `iss` of the tokens, such as \"https://id.shop.test\"";
    if let Some(node) = fields.require(decoder, "issuer", mend) {
        row.issuer = decoder.text(node, "issuer").unwrap_or("").into();
    }
    let mend = "write where the keys are, such as \"https://id.shop.test/jwks\"";
    if let Some(node) = fields.require(decoder, "jwks_uri", mend) {
        row.jwks_uri = decoder
            .http_url(node, "jwks_uri")
            .unwrap_or_default()
            .into();
    }
    row.audiences = audiences(decoder, &mut fields);
    if let Some(node) = fields.take("algorithms") {
        row.algorithms = algorithms(decoder, node);
    }
    let clock_skew = fields.take("clock_skew");
    row.clock_skew = decoder.duration(clock_skew, "clock_skew", row.clock_skew);
    if let Some(node) = fields.take("on_outage")
        && let Some(mut outage) = Fields::of(decoder, node, "`on_outage`")
    {
        let stale = outage.take("stale");
        row.stale_keys = decoder.duration(stale, "stale", row.stale_keys);
        outage.finish(decoder);
    }
    if let Some(node) = fields.take("claims_to_headers") {
        row.claims_to_headers = claims(decoder, node);
    }
    fields.finish(decoder);
    row
}

fn default_claims() -> Vec<(Arc<str>, HeaderName)> {
    vec![
        ("sub".into(), HeaderName::from_static("x-user-id")),
        ("scope".into(), HeaderName::from_static("x-user-scopes")),
    ]
}

fn audiences(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Vec<Arc<str>> {
    let mend = "write who the tokens are for: `audiences: [shop]`";
    let Some(node) = fields.require(decoder, "audiences", mend) else {
        return Vec::new();
    };
    let nodes = decoder.one_or_many(node);
    if nodes.is_empty() {
        decoder.error(
            node.at,
            "`audiences` is empty: every token would be refused",
            mend,
        );
    }
    let texts = nodes
        .into_iter()
        .filter_map(|node| decoder.text(node, "audiences"));
    texts.map(Arc::from).collect()
}

fn algorithms(decoder: &mut Decoder<'_>, node: &Node) -> Vec<Algorithm> {
    let read = |text: &str| {
        let known = ALGORITHMS.iter().find(|(name, _)| *name == text);
        known.map(|(_, algorithm)| *algorithm).ok_or_else(|| {
            if text.starts_with("HS") || text.eq_ignore_ascii_case("none") {
                return "only signatures by a private key are accepted, such as `ES256`".to_owned();
            }
            one_of(text, &ALGORITHMS.map(|(name, _)| name))
        })
    };
    let nodes = decoder.one_or_many(node);
    if nodes.is_empty() {
        let message = "`algorithms` is empty: every token would be refused";
        decoder.error(node.at, message, "leave it out, or write `[ES256]`");
    }
    nodes
        .into_iter()
        .filter_map(|node| decoder.parsed(node, "algorithms", read))
        .collect()
}

fn claims(decoder: &mut Decoder<'_>, node: &Node) -> Vec<(Arc<str>, HeaderName)> {
    let entries = decoder.entries(node, "claims_to_headers").unwrap_or(&[]);
    let header = |text: &str| {
        let name = HeaderName::from_bytes(text.as_bytes());
        name.map_err(|_| "write a header's name, such as `X-User-Id`".to_owned())
    };
    let mut read = |(claim, node): &(Key, Node)| {
        let name = decoder.parsed(node, &claim.text, header)?;
        Some((claim.text.as_str().into(), name))
    };
    entries.iter().filter_map(&mut read).collect()
}
