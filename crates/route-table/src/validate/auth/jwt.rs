//! What a token of an issuer must be.

use std::sync::Arc;
use std::time::Duration;

use crate::defaults;
use crate::parse::Node;
use crate::table::{Algorithm, JwtRules};
use crate::validate::decoder::{Decoder, Fields, one_of};

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

/// Reads what tokens of an issuer must be.
pub(super) fn read(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> JwtRules {
    let mend = "write the `iss` of the tokens, such as \"https://id.shop.test\"";
    let issuer = fields.require(decoder, "issuer", mend);
    let issuer = issuer.and_then(|node| decoder.text(node, "issuer"));
    let mend = "write where the keys are, such as \"https://id.shop.test/jwks\"";
    let jwks_uri = fields.require(decoder, "jwks_uri", mend);
    let jwks_uri = jwks_uri.and_then(|node| decoder.http_url(node, "jwks_uri"));
    let audiences = audiences(decoder, fields);
    let algorithms = fields.take("algorithms");
    let algorithms = algorithms.map(|node| self::algorithms(decoder, node));
    let clock_skew = fields.take("clock_skew");
    let clock_skew = decoder.duration(clock_skew, "clock_skew", defaults::CLOCK_SKEW);
    let lifetime_max = fields.take("lifetime_max");
    let lifetime_max =
        lifetime_max.map(|node| decoder.duration(Some(node), "lifetime_max", Duration::ZERO));
    JwtRules {
        issuer: issuer.unwrap_or_default().into(),
        jwks_uri: jwks_uri.unwrap_or_default().into(),
        audiences,
        algorithms: algorithms.unwrap_or_else(|| vec![Algorithm::ES256, Algorithm::RS256]),
        clock_skew,
        lifetime_max,
        stale_keys: super::stale(decoder, fields, defaults::STALE_KEYS),
    }
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
