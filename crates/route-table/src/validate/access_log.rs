//! `access_log:` — what is logged besides what always is.

use http::header::{AUTHORIZATION, COOKIE, HeaderName, PROXY_AUTHORIZATION, SET_COOKIE};

use crate::table::{AccessLog, MatchField};
use crate::validate::decoder::{Decoder, Fields};

/// Headers that hold secrets, or other fields.
const NEVER: [HeaderName; 4] = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, SET_COOKIE];

pub(super) fn read(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> AccessLog {
    let mut rules = AccessLog::default();
    let Some(node) = fields.take("access_log") else {
        return rules;
    };
    let Some(mut fields) = Fields::of(decoder, node, "`access_log`") else {
        return rules;
    };
    if let Some(node) = fields.take("match_fields") {
        for node in decoder.one_or_many(node) {
            if let Some(field) = decoder.parsed(node, "match_fields", match_field)
                && !rules.match_fields.contains(&field)
            {
                rules.match_fields.push(field);
            }
        }
    }
    fields.finish(decoder);
    rules
}

fn match_field(text: &str) -> Result<MatchField, String> {
    let mend = || "write `header:X-Name`, `query:name` or `cookie:name`".to_owned();
    let (kind, name) = text.split_once(':').ok_or_else(mend)?;
    let name = name.trim();
    if name.is_empty() {
        return Err(mend());
    }
    match kind {
        "header" => {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| mend())?;
            if NEVER.contains(&name) {
                return Err("secrets are never logged; name one cookie by `cookie:name`".to_owned());
            }
            Ok(MatchField::Header(name))
        }
        "query" => Ok(MatchField::Query(name.into())),
        "cookie" => Ok(MatchField::Cookie(name.into())),
        _ => Err(mend()),
    }
}
