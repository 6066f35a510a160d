//! `balance:`, `hash:`, `sticky:` and `slow_start:` — how one endpoint is chosen.

use std::sync::Arc;

use http::HeaderName;

use crate::defaults::DURATION_MAX;
use crate::parse::Node;
use crate::table::{Balance, HashKey, StickyCookie, Upstream};
use crate::validate::decoder::{Decoder, Fields, one_of};

const POLICIES: [&str; 5] = [
    "peak_ewma",
    "least_request",
    "round_robin",
    "random",
    "maglev",
];

pub(super) fn read(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>, row: &mut Upstream) {
    let balance = fields.take("balance");
    let hash = fields.take("hash");
    let key = hash.and_then(|node| decoder.parsed(node, "hash", hash_key));
    if let Some(node) = balance {
        let read = |text: &str| match text {
            "peak_ewma" => Ok(Balance::PeakEwma),
            "least_request" => Ok(Balance::LeastRequest),
            "round_robin" => Ok(Balance::RoundRobin),
            "random" => Ok(Balance::Random),
            "maglev" => Ok(Balance::Maglev {
                key: key.clone().unwrap_or(HashKey::ClientIp),
            }),
            _ => Err(one_of(text, &POLICIES)),
        };
        row.balance = decoder.parsed(node, "balance", read).unwrap_or_default();
    }
    if let Some(node) = hash
        && !matches!(row.balance, Balance::Maglev { .. })
    {
        let message = "`hash` is only for `balance: maglev`";
        decoder.error(node.at, message, "add `balance: maglev`, or drop `hash`");
    }
    row.sticky = fields.take("sticky").and_then(|node| sticky(decoder, node));
    let slow_start = fields.take("slow_start");
    row.slow_start =
        slow_start.map(|node| decoder.duration(Some(node), "slow_start", DURATION_MAX));
}

fn hash_key(text: &str) -> Result<HashKey, String> {
    let mend = || "write `ip`, `path`, `header:X-Name` or `cookie:name`".to_owned();
    match text.split_once(':') {
        None if text == "ip" => Ok(HashKey::ClientIp),
        None if text == "path" => Ok(HashKey::Path),
        Some(("header", name)) => HeaderName::from_bytes(name.trim().as_bytes())
            .map(HashKey::Header)
            .map_err(|_| mend()),
        Some(("cookie", name)) => cookie_name(name.trim()).map(HashKey::Cookie),
        _ => Err(mend()),
    }
}

fn sticky(decoder: &mut Decoder<'_>, node: &Node) -> Option<StickyCookie> {
    let mut fields = Fields::of(decoder, node, "`sticky`")?;
    let name = fields.require(decoder, "cookie", "write `sticky: { cookie: shop-node }`");
    let name = name.and_then(|node| decoder.parsed(node, "cookie", cookie_name));
    let ttl = fields.take("ttl");
    let ttl = ttl.map(|node| decoder.duration(Some(node), "ttl", DURATION_MAX));
    fields.finish(decoder);
    Some(StickyCookie { name: name?, ttl })
}

/// A token by RFC 6265, section 4.1.1.
fn cookie_name(text: &str) -> Result<Arc<str>, String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.is_empty() && text.bytes().all(token) {
        Ok(text.into())
    } else {
        Err("write a cookie's name, such as `shop-node`".to_owned())
    }
}
