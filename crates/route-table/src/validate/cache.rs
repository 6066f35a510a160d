//! `cache:` of the table and of a route — which answers are kept, and for whom.

use std::sync::Arc;

use http::HeaderName;

use crate::defaults;
use crate::parse::{Node, Value};
use crate::table::{Action, CacheMemory, CachePolicy, QueryKey, RouteAuth, UserKey};
use crate::validate::decoder::{Decoder, Fields};
use crate::validate::scalars::{parse_bytes, parse_duration};

/// What a route must be for its answers to be kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cached<'c> {
    pub(super) action: Option<&'c Action>,
    pub(super) auth: Option<&'c RouteAuth>,
    pub(super) streaming: bool,
}

/// The section at the top.
pub(super) fn memory(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> CacheMemory {
    let mut memory = CacheMemory {
        bytes: defaults::CACHE_MEMORY_BYTES,
    };
    if let Some(node) = fields.take("cache")
        && let Some(mut fields) = Fields::of(decoder, node, "`cache`")
    {
        let bytes = fields.take("memory");
        let bytes = bytes.and_then(|node| decoder.parsed(node, "memory", parse_bytes));
        memory.bytes = bytes.unwrap_or(memory.bytes);
        fields.finish(decoder);
    }
    memory
}

/// What holds where a route says no more than `cache: true`.
fn default() -> CachePolicy {
    CachePolicy {
        ttl: None,
        stale_while_revalidate: std::time::Duration::ZERO,
        stale_if_error: std::time::Duration::ZERO,
        body_bytes_max: defaults::CACHE_BODY_BYTES_MAX,
        headers: Vec::new(),
        query: QueryKey::All,
        per_user: None,
    }
}

/// `true`, `false`, or a mapping.
pub(super) fn read(
    decoder: &mut Decoder<'_>,
    node: Option<&Node>,
    route: Cached<'_>,
) -> Option<CachePolicy> {
    let node = node?;
    let policy = match &node.value {
        Value::Scalar(_) => decoder.boolean(node, "cache")?.then(default)?,
        _ => mapping(decoder, node)?,
    };
    if let Some(Action::Respond(_) | Action::Redirect(_)) = route.action {
        let message = "there is nothing to keep: the table answers these requests itself";
        decoder.error(node.at, message, "take `cache` away");
    }
    if route.streaming {
        let message = "`cache` and `streaming` exclude each other: a stream is never kept";
        decoder.error(node.at, message, "take one of them away");
    }
    if let Some(UserKey::Claim(_)) = policy.per_user
        && route.auth.is_none()
    {
        let message = "`per_user` names a claim, and the route asks for no token";
        let mend = "add `auth: { provider: NAME }`, or write `per_user: \"cookie:name\"`";
        decoder.error(node.at, message, mend);
    }
    Some(policy)
}

fn mapping(decoder: &mut Decoder<'_>, node: &Node) -> Option<CachePolicy> {
    let mut fields = Fields::of(decoder, node, "`cache`")?;
    let mut policy = default();
    let ttl = fields.take("ttl");
    policy.ttl = ttl.and_then(|node| decoder.parsed(node, "ttl", parse_duration));
    for (key, value) in [
        ("stale_while_revalidate", &mut policy.stale_while_revalidate),
        ("stale_if_error", &mut policy.stale_if_error),
    ] {
        let node = fields.take(key);
        let given = node.and_then(|node| decoder.parsed(node, key, parse_duration));
        *value = given.unwrap_or_default();
    }
    let body = fields.take("max_body");
    let body = body.and_then(|node| decoder.parsed(node, "max_body", body_bytes));
    policy.body_bytes_max = body.unwrap_or(policy.body_bytes_max);
    if let Some(node) = fields.take("key") {
        key(decoder, node, &mut policy);
    }
    let user = fields.take("per_user");
    policy.per_user = user.and_then(|node| decoder.parsed(node, "per_user", user_key));
    fields.finish(decoder);
    Some(policy)
}

/// What tells requests apart.
fn key(decoder: &mut Decoder<'_>, node: &Node, policy: &mut CachePolicy) {
    let Some(mut fields) = Fields::of(decoder, node, "`key`") else {
        return;
    };
    if let Some(node) = fields.take("headers") {
        let nodes = decoder.one_or_many(node).into_iter();
        let name = |text: &str| {
            let name = HeaderName::from_bytes(text.as_bytes());
            name.map_err(|_| "write a header's name, such as `X-Tenant`".to_owned())
        };
        policy.headers = nodes
            .filter_map(|node| decoder.parsed(node, "headers", name))
            .collect();
    }
    let (only, without) = (fields.take("query"), fields.take("ignore_query"));
    fields.finish(decoder);
    policy.query = match (only, without) {
        (None, None) => QueryKey::All,
        (Some(node), None) => QueryKey::Only(parameters(decoder, node, "query")),
        (None, Some(node)) => QueryKey::Without(parameters(decoder, node, "ignore_query")),
        (Some(_), Some(node)) => {
            let message = "`query` and `ignore_query` exclude each other";
            decoder.error(node.at, message, "take one of them away");
            QueryKey::All
        }
    };
}

fn parameters(decoder: &mut Decoder<'_>, node: &Node, key: &str) -> Vec<Arc<str>> {
    let name = |text: &str| {
        let stem = text.strip_suffix('*').unwrap_or(text);
        let fits = !text.is_empty() && !stem.contains(['*', '&', '=', '#', ' ']);
        let mend = || "write a parameter's name; `utm_*` is all that begin so".to_owned();
        fits.then(|| text.into()).ok_or_else(mend)
    };
    let nodes = decoder.one_or_many(node).into_iter();
    nodes
        .filter_map(|node| decoder.parsed(node, key, name))
        .collect()
}

fn body_bytes(text: &str) -> Result<u64, String> {
    let bytes = parse_bytes(text)?;
    let max = defaults::CACHE_BODY_BYTES_MAX_MAX;
    let mend = || format!("write at most {}MiB", max >> 20);
    (bytes <= max).then_some(bytes).ok_or_else(mend)
}

fn user_key(text: &str) -> Result<UserKey, String> {
    match text.split_once(':') {
        Some(("claim", name)) if !name.trim().is_empty() => Ok(UserKey::Claim(name.trim().into())),
        Some(("cookie", name)) if !name.trim().is_empty() => {
            Ok(UserKey::Cookie(name.trim().into()))
        }
        _ => Err("write `claim:sub` or `cookie:name`".to_owned()),
    }
}
