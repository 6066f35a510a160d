//! `health:`, `outlier:`, `circuit:` and `retry_budget:` — how far endpoints are trusted.

use std::sync::Arc;

use crate::defaults;
use crate::parse::{Node, Value};
use crate::table::{
    Circuit, HealthCheck, HealthProbe, Outlier, RetryBudget, SuccessRate, Upstream,
};
use crate::validate::decoder::{Decoder, Fields};

const PROBES: &str = "write one of `path: /readyz`, `tcp: true`, `grpc: \"\"`";

pub(super) fn read(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>, row: &mut Upstream) {
    row.health = fields.take("health").and_then(|node| health(decoder, node));
    if let Some(node) = fields.take("outlier") {
        outlier(decoder, node, &mut row.outlier);
    }
    if let Some(node) = fields.take("circuit") {
        circuit(decoder, node, &mut row.circuit);
    }
    if let Some(node) = fields.take("retry_budget") {
        retry_budget(decoder, node, &mut row.retry_budget);
    }
}

fn health(decoder: &mut Decoder<'_>, node: &Node) -> Option<HealthCheck> {
    let mut fields = Fields::of(decoder, node, "`health`")?;
    let probe = probe(decoder, &mut fields);
    let interval = fields.take("interval");
    let interval = decoder.duration(interval, "interval", defaults::HEALTH_INTERVAL);
    let timeout = fields.take("timeout");
    let timeout = decoder.duration(timeout, "timeout", defaults::HEALTH_TIMEOUT);
    let unhealthy = fields.take("unhealthy_after");
    let unhealthy_after = decoder.count(
        unhealthy,
        "unhealthy_after",
        1..=100,
        defaults::UNHEALTHY_AFTER,
    );
    let healthy = fields.take("healthy_after");
    let healthy_after = decoder.count(healthy, "healthy_after", 1..=100, defaults::HEALTHY_AFTER);
    fields.finish(decoder);
    Some(HealthCheck {
        probe: probe?,
        interval,
        timeout,
        unhealthy_after,
        healthy_after,
    })
}

fn probe(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<HealthProbe> {
    let (path, tcp, grpc) = (fields.take("path"), fields.take("tcp"), fields.take("grpc"));
    match (path, tcp, grpc) {
        (Some(node), None, None) => decoder.parsed(node, "path", |text| {
            if text.starts_with('/') && !text.contains([' ', '#']) {
                let path = text.into();
                Ok(HealthProbe::Http { path })
            } else {
                Err("write a path, such as `/readyz`".to_owned())
            }
        }),
        (None, Some(node), None) => decoder.parsed(node, "tcp", |text| match text {
            "true" => Ok(HealthProbe::Tcp),
            _ => Err("write `true`, or drop it".to_owned()),
        }),
        (None, None, Some(node)) => {
            let service: Arc<str> = decoder.text(node, "grpc")?.into();
            Some(HealthProbe::Grpc { service })
        }
        _ => {
            decoder.error(fields.at, "a health check needs exactly one probe", PROBES);
            None
        }
    }
}

fn outlier(decoder: &mut Decoder<'_>, node: &Node, row: &mut Outlier) {
    let Some(mut fields) = Fields::of(decoder, node, "`outlier`") else {
        return;
    };
    let mut failures = |key, default| {
        let node = fields.take(key);
        decoder.count(node, key, 0..=1_000, default)
    };
    row.local_failures = failures("local_failures", row.local_failures);
    row.gateway_failures = failures("gateway_failures", row.gateway_failures);
    row.server_errors = failures("server_errors", row.server_errors);
    if let Some(node) = fields.take("success_rate") {
        row.success_rate = success_rate(decoder, node, row.success_rate);
    }
    let ejection = fields.take("ejection");
    row.ejection = decoder.duration(ejection, "ejection", row.ejection);
    let longest = fields.take("max_ejection");
    row.ejection_max = decoder.duration(longest, "max_ejection", row.ejection_max);
    let percent = fields.take("max_percent");
    let percent = decoder.count(percent, "max_percent", 0..=100, u32::from(row.percent_max));
    row.percent_max = u8::try_from(percent).unwrap_or(100);
    fields.finish(decoder);
}

/// `false`, or the numbers of the comparison.
fn success_rate(
    decoder: &mut Decoder<'_>,
    node: &Node,
    default: Option<SuccessRate>,
) -> Option<SuccessRate> {
    if let Value::Scalar(_) = &node.value {
        return match decoder.boolean(node, "success_rate") {
            Some(false) => None,
            _ => default,
        };
    }
    let mut fields = Fields::of(decoder, node, "`success_rate`")?;
    let interval = fields.take("interval");
    let interval = decoder.duration(interval, "interval", defaults::OUTLIER_INTERVAL);
    let endpoints = fields.take("min_endpoints");
    let endpoints_min = decoder.count(
        endpoints,
        "min_endpoints",
        2..=1_000,
        defaults::OUTLIER_ENDPOINTS_MIN,
    );
    let requests = fields.take("min_requests");
    let requests_min = decoder.count(
        requests,
        "min_requests",
        1..=1_000_000,
        defaults::OUTLIER_REQUESTS_MIN,
    );
    fields.finish(decoder);
    Some(SuccessRate {
        interval,
        endpoints_min,
        requests_min,
    })
}

fn circuit(decoder: &mut Decoder<'_>, node: &Node, row: &mut Circuit) {
    let Some(mut fields) = Fields::of(decoder, node, "`circuit`") else {
        return;
    };
    let mut limit = |key, default| {
        let node = fields.take(key);
        decoder.count(node, key, 1..=1_000_000, default)
    };
    row.connections = limit("connections", row.connections);
    row.pending = limit("pending", row.pending);
    row.requests = limit("requests", row.requests);
    fields.finish(decoder);
}

fn retry_budget(decoder: &mut Decoder<'_>, node: &Node, row: &mut RetryBudget) {
    let Some(mut fields) = Fields::of(decoder, node, "`retry_budget`") else {
        return;
    };
    let percent = fields.take("percent");
    row.percent = decoder.count(percent, "percent", 0..=100, row.percent);
    let floor = fields.take("floor");
    row.floor = decoder.count(floor, "floor", 0..=10_000, row.floor);
    fields.finish(decoder);
}
