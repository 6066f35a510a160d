//! `limits:` — how much may be asked.

use std::sync::Arc;

use http::HeaderName;

use crate::parse::{Key, Node};
use crate::table::{Limit, LimitKey};
use crate::validate::decoder::{Decoder, Fields};
use crate::validate::{Section, section};

pub(super) fn read(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Section<Limit> {
    let node = fields.take("limits");
    section(decoder, node, "limits", limit)
}

fn limit(decoder: &mut Decoder<'_>, name: &Arc<str>, key: &Key, node: &Node) -> Limit {
    let position = decoder.position(key.at);
    let what = format!("limit `{name}`");
    let Some(mut fields) = Fields::of(decoder, node, &what) else {
        let rate = crate::table::Rate {
            count: 1,
            period: crate::defaults::CLOCK_SKEW,
            burst: 1,
        };
        return Limit {
            name: Arc::clone(name),
            position,
            key: LimitKey::Ip,
            rate,
            enforce: true,
        };
    };
    let mend = "write what to count by: `key: ip`, `route`, `header:X-Name` or `claim:sub`";
    let counted = fields.require(decoder, "key", mend);
    let counted = counted.and_then(|node| decoder.parsed(node, "key", limit_key));
    let rate = decoder.rate(&mut fields);
    let enforce = fields.take("enforce");
    let enforce = enforce
        .and_then(|node| decoder.boolean(node, "enforce"))
        .unwrap_or(true);
    fields.finish(decoder);
    let key = counted.unwrap_or(LimitKey::Ip);
    Limit {
        name: Arc::clone(name),
        position,
        key,
        rate,
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
