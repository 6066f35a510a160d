//! `balance:`, `hash:`, `sticky:` and `slow_start:` — how one endpoint is chosen.

use std::sync::Arc;

use http::HeaderName;

use crate::defaults::{DURATION_MAX, SECRET_CHARS_MIN};
use crate::parse::Node;
use crate::table::{Balance, HashKey, Secret, StickyCookie, Upstream};
use crate::validate::decoder::{Decoder, Fields, one_of};

pub(super) fn read(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>, row: &mut Upstream) {
    if let Some(node) = fields.take("balance") {
        row.balance = decoder.parsed(node, "balance", policy).unwrap_or_default();
    }
    if let Some(node) = fields.take("hash") {
        row.hash = decoder.parsed(node, "hash", hash_key).unwrap_or_default();
        if !row.balance.goes_by_key() {
            let by_key = Balance::NAMED.iter().filter(|(_, one)| one.goes_by_key());
            let by_key: Vec<_> = by_key
                .map(|(name, _)| format!("`balance: {name}`"))
                .collect();
            let message = format!("`hash` is only for {}", by_key.join(" and "));
            decoder.error(node.at, message, "add `balance: maglev`, or drop `hash`");
        }
    }
    row.sticky = fields.take("sticky").and_then(|node| sticky(decoder, node));
    let slow_start = fields.take("slow_start");
    row.slow_start =
        slow_start.map(|node| decoder.duration(Some(node), "slow_start", DURATION_MAX));
}

fn policy(text: &str) -> Result<Balance, String> {
    let named = Balance::NAMED.iter().find(|(name, _)| *name == text);
    let known = || {
        Balance::NAMED
            .iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
    };
    named.map_or_else(|| Err(one_of(text, &known())), |(_, policy)| Ok(*policy))
}

pub(in crate::validate) fn hash_key(text: &str) -> Result<HashKey, String> {
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
    let secret = fields.take("secret").and_then(|node| secret(decoder, node));
    fields.finish(decoder);
    Some(StickyCookie {
        name: name?,
        ttl,
        secret,
    })
}

/// Errors must not show the value: it may be most of the real one.
fn secret(decoder: &mut Decoder<'_>, node: &Node) -> Option<Secret> {
    let text = decoder.text(node, "secret")?;
    // `${NAME:-}` of a variable that is not set: none is wanted here.
    if text.is_empty() {
        return None;
    }
    if text.chars().count() < SECRET_CHARS_MIN {
        let message = format!("`secret` is shorter than {SECRET_CHARS_MIN} characters");
        let mend = "write `${NAME}`, and put a long random text into that variable";
        decoder.error(node.at, message, mend);
        return None;
    }
    Some(Secret::new(text))
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
