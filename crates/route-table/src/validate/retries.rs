//! `retries:` of a route — when a request is sent again.

use crate::defaults;
use crate::parse::{Node, Value};
use crate::table::{RetryOn, RetryPolicy};
use crate::validate::decoder::{Decoder, Fields, one_of};

const CONDITIONS: [&str; 5] = ["reset", "timeout", "502", "503", "504"];

/// What holds where a route says nothing.
fn default() -> RetryPolicy {
    RetryPolicy {
        attempts: defaults::RETRIES,
        on: RetryOn {
            reset: true,
            timeout: false,
            bad_gateway: true,
            unavailable: true,
            gateway_timeout: true,
        },
        any_method: false,
        backoff: defaults::BACKOFF,
        backoff_max: defaults::BACKOFF_MAX,
    }
}

/// A number of attempts, or a mapping.
pub(super) fn read(decoder: &mut Decoder<'_>, node: Option<&Node>) -> RetryPolicy {
    let mut policy = default();
    let bounds = 0..=defaults::RETRIES_MAX;
    let Some(node) = node else { return policy };
    if matches!(node.value, Value::Scalar(_)) {
        policy.attempts = decoder.count(Some(node), "retries", bounds, policy.attempts);
        return policy;
    }
    let Some(mut fields) = Fields::of(decoder, node, "`retries`") else {
        return policy;
    };
    let attempts = fields.take("attempts");
    policy.attempts = decoder.count(attempts, "attempts", bounds, policy.attempts);
    if let Some(node) = fields.take("on") {
        policy.on = conditions(decoder, node);
    }
    if let Some(node) = fields.take("any_method") {
        policy.any_method = decoder.boolean(node, "any_method").unwrap_or(false);
    }
    let backoff = fields.take("backoff");
    policy.backoff = decoder.duration(backoff, "backoff", policy.backoff);
    let longest = fields.take("max_backoff");
    policy.backoff_max = decoder.duration(longest, "max_backoff", policy.backoff_max);
    fields.finish(decoder);
    policy
}

fn conditions(decoder: &mut Decoder<'_>, node: &Node) -> RetryOn {
    let mut on = RetryOn {
        reset: false,
        timeout: false,
        bad_gateway: false,
        unavailable: false,
        gateway_timeout: false,
    };
    for node in decoder.one_or_many(node) {
        let known = |text: &str| {
            let index = CONDITIONS.iter().position(|known| *known == text);
            index.ok_or_else(|| one_of(text, &CONDITIONS))
        };
        match decoder.parsed(node, "on", known) {
            Some(0) => on.reset = true,
            Some(1) => on.timeout = true,
            Some(2) => on.bad_gateway = true,
            Some(3) => on.unavailable = true,
            Some(4) => on.gateway_timeout = true,
            _ => {}
        }
    }
    on
}
