//! `limits:` — how much may be asked.

use std::sync::Arc;

use http::HeaderName;

use crate::parse::{Key, Node};
use crate::table::{Bound, Limit, LimitKey};
use crate::validate::decoder::{Decoder, Fields};
use crate::validate::{Section, section};

pub(super) fn read(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Section<Limit> {
    let node = fields.take("limits");
    section(decoder, node, "limits", limit)
}

fn limit(decoder: &mut Decoder<'_>, name: &Arc<str>, key: &Key, node: &Node) -> Limit {
    let mut fields = Fields::of_or_empty(decoder, node, format!("limit `{name}`"));
    let mend = "write what to count by: `key: ip`, `route`, `header:X-Name` or `claim:sub`";
    let counted = fields.require(decoder, "key", mend);
    let counted = counted.and_then(|node| decoder.parsed(node, "key", limit_key));
    let bound = match fields.take("concurrent") {
        None => Bound::Rate(decoder.rate(&mut fields)),
        Some(node) => {
            if let Some(rate) = fields.take("rate").or(fields.take("burst")) {
                let message = "a limit counts requests in a time, or at once";
                decoder.error(
                    rate.at,
                    message,
                    "make two limits, and name both in the route",
                );
            }
            Bound::Concurrent(decoder.count(Some(node), "concurrent", 1..=1_000_000, 1))
        }
    };
    let enforce = fields.take("enforce");
    let enforce = enforce
        .and_then(|node| decoder.boolean(node, "enforce"))
        .unwrap_or(true);
    fields.finish(decoder);
    Limit {
        name: Arc::clone(name),
        position: decoder.position(key.at),
        key: counted.unwrap_or(LimitKey::Ip),
        bound,
        enforce,
    }
}

fn limit_key(text: &str) -> Result<LimitKey, String> {
    let mend = || "write `ip`, `route`, `header:X-Name` or `claim:sub`".to_owned();
    match text.split_once(':') {
        None if text == "ip" => Ok(LimitKey::Ip),
        None if text == "route" => Ok(LimitKey::Route),
        Some(("header", name)) => {
            let name = HeaderName::from_bytes(name.trim().as_bytes());
            name.map(LimitKey::Header).map_err(|_| mend())
        }
        Some(("claim", name)) if !name.trim().is_empty() => Ok(LimitKey::Claim(name.trim().into())),
        _ => Err(mend()),
    }
}
