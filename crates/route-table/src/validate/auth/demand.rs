//! `auth:` of a route — what it asks of a caller.

use std::sync::Arc;

use super::place;
use crate::parse::{Key, Node, Value};
use crate::table::{ClaimCondition, Combine, Demand, ProviderId, RouteAuth};
use crate::validate::decoder::{Decoder, Fields};
use crate::validate::names::Names;

const MEND: &str = "write `none`, `{ provider: NAME, scopes: […] }`, \
     `{ any: [ { provider: NAME }, … ] }` or `{ all: [ { provider: NAME }, … ] }`";

/// Reads `none`, one demand, or several that are combined.
pub(in crate::validate) fn read(
    decoder: &mut Decoder<'_>,
    node: &Node,
    providers: &Names,
) -> Option<RouteAuth> {
    if let Value::Scalar(text) = &node.value {
        if text != "none" {
            decoder.error(node.at, format!("`auth` cannot be `{text}`"), MEND);
        }
        return None;
    }
    let mut fields = Fields::of(decoder, node, "`auth`")?;
    let (any, all) = (fields.take("any"), fields.take("all"));
    let (demands, combine) = match (any, all) {
        (None, None) => (vec![demand(decoder, &mut fields, providers)], Combine::Any),
        (Some(list), None) => (demands(decoder, list, "any", providers), Combine::Any),
        (None, Some(list)) => (demands(decoder, list, "all", providers), Combine::All),
        (Some(_), Some(list)) => {
            decoder.error(list.at, "`auth` has `any` and `all`", "keep one of them");
            (Vec::new(), Combine::All)
        }
    };
    let optional = fields.take("optional");
    let optional = optional.and_then(|node| decoder.boolean(node, "optional"));
    fields.finish(decoder);
    Some(RouteAuth {
        demands,
        combine,
        optional: optional.unwrap_or(false),
    })
}

fn demands(decoder: &mut Decoder<'_>, list: &Node, key: &str, providers: &Names) -> Vec<Demand> {
    let items = decoder.list(list, key).unwrap_or_default();
    if items.is_empty() {
        decoder.error(list.at, format!("`{key}` asks for nothing"), MEND);
    }
    let mut read = |item| {
        let mut fields = Fields::of(decoder, item, "an item of `auth`")?;
        let demand = demand(decoder, &mut fields, providers);
        fields.finish(decoder);
        Some(demand)
    };
    items.iter().filter_map(&mut read).collect()
}

fn demand(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>, providers: &Names) -> Demand {
    let provider = fields.require(decoder, "provider", "name one of `auth.providers`");
    let provider = provider.map_or(0, |node| providers.resolve(decoder, node, "provider"));
    let from = fields.take("from");
    let from = from.map_or(Vec::new(), |node| place::read(decoder, node));
    let mut words = |key, parse: fn(&str) -> Result<Arc<str>, String>| {
        fields.take(key).map_or(Vec::new(), |node| {
            let nodes = decoder.one_or_many(node).into_iter();
            nodes
                .filter_map(|node| decoder.parsed(node, key, parse))
                .collect()
        })
    };
    let (scopes, roles) = (words("scopes", scope), words("roles", role));
    let claims = fields.take("claims");
    let claims = claims.map_or(Vec::new(), |node| conditions(decoder, node));
    Demand {
        provider: ProviderId(provider),
        from,
        scopes,
        roles,
        claims,
    }
}

fn conditions(decoder: &mut Decoder<'_>, node: &Node) -> Vec<ClaimCondition> {
    let entries = decoder.entries(node, "claims").unwrap_or(&[]);
    let mut condition = |(claim, node): &(Key, Node)| {
        let nodes = decoder.one_or_many(node);
        if nodes.is_empty() {
            let message = format!("claim `{}` may have no value at all", claim.text);
            decoder.error(node.at, message, "write the value, or a list of values");
        }
        let values = nodes.into_iter();
        let values = values.filter_map(|node| decoder.text(node, &claim.text));
        ClaimCondition {
            claim: claim.text.as_str().into(),
            values: values.map(Arc::from).collect(),
        }
    };
    entries.iter().map(&mut condition).collect()
}

/// A scope token by RFC 6749, section 3.3.
fn scope(text: &str) -> Result<Arc<str>, String> {
    let valid = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte));
    if valid {
        Ok(text.into())
    } else {
        Err("write one scope an item, such as `orders:read`".to_owned())
    }
}

fn role(text: &str) -> Result<Arc<str>, String> {
    if text.is_empty() {
        Err("write one role an item, such as `admin`".to_owned())
    } else {
        Ok(text.into())
    }
}
