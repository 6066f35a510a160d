//! `upstreams:` — who answers.
//!
//! [`endpoints`] is where an upstream's endpoints are, [`balance`] how one of them is chosen, and
//! [`trust`] how far they are trusted: health checks, ejection, circuits, budgets.

mod balance;
mod endpoints;
mod trust;

pub(super) use balance::hash_key;

use std::collections::HashMap;
use std::sync::Arc;

use crate::defaults;
use crate::parse::{Key, Node};
use crate::table::{
    Balance, Circuit, Connections, EndpointSource, Given, HashKey, Outlier, RetryBudget,
    SuccessRate, Upstream, UpstreamProtocol, UpstreamTls,
};
use crate::validate::decoder::{Decoder, Fields};
use crate::validate::{Section, section};

pub(super) fn read(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Section<Upstream> {
    let node = fields.take("upstreams");
    let section = section(decoder, node, "upstreams", upstream);
    one_cookie_each(decoder, &section.rows);
    section
}

/// Sticky cookies are for all paths: of two with one name, each upstream would overwrite the other's.
fn one_cookie_each(decoder: &mut Decoder<'_>, rows: &[Upstream]) {
    let mut taken = HashMap::new();
    for row in rows {
        let Some(sticky) = &row.sticky else {
            continue;
        };
        if let Some(first) = taken.insert(Arc::clone(&sticky.name), &row.name) {
            let name = &sticky.name;
            let message = format!("the cookie `{name}` is upstream `{first}`'s already");
            let mend = "give each upstream's `sticky` a cookie of its own";
            decoder.error_at(row.position.clone(), message, mend);
        }
    }
}

fn upstream(decoder: &mut Decoder<'_>, name: &Arc<str>, key: &Key, node: &Node) -> Upstream {
    let mut row = defaults_of(Arc::clone(name), decoder, key);
    let Some(mut fields) = Fields::of(decoder, node, &format!("upstream `{name}`")) else {
        return row;
    };
    if let Some(endpoints) = endpoints::source(decoder, &mut fields) {
        row.endpoints = endpoints;
    }
    if let Some(node) = fields.take("protocol") {
        row.protocol = endpoints::protocol(decoder, node);
    }
    if let Some(node) = fields.take("tls") {
        row.tls = endpoints::tls(decoder, node, &row.endpoints);
    }
    row.strip_prefix = fields
        .take("strip_prefix")
        .and_then(|node| decoder.parsed(node, "strip_prefix", prefix));
    balance::read(decoder, &mut fields, &mut row);
    trust::read(decoder, &mut fields, &mut row);
    if let Some(node) = fields.take("connections") {
        connections(decoder, node, &mut row.connections);
    }
    if let Some(node) = fields.take("timeouts") {
        timeouts(decoder, node, &mut row.connections);
    }
    if let Some(node) = fields.take("preserve_host") {
        row.preserve_host = decoder.boolean(node, "preserve_host").unwrap_or(true);
    }
    if let Some(node) = fields.take("calls") {
        let calls = decoder.one_or_many(node).into_iter();
        let calls = calls.filter_map(|node| decoder.parsed(node, "calls", called));
        row.calls = calls.collect();
    }
    row.given = fields.given(&["calls"]);
    fields.finish(decoder);
    row
}

/// The row of an upstream of which nothing is said.
fn defaults_of(name: Arc<str>, decoder: &Decoder<'_>, key: &Key) -> Upstream {
    Upstream {
        name,
        position: decoder.position(key.at),
        endpoints: EndpointSource::Static(Vec::new()),
        protocol: UpstreamProtocol::default(),
        tls: UpstreamTls::default(),
        strip_prefix: None,
        balance: Balance::default(),
        hash: HashKey::default(),
        sticky: None,
        slow_start: None,
        health: None,
        outlier: Outlier {
            local_failures: defaults::OUTLIER_FAILURES,
            gateway_failures: defaults::OUTLIER_FAILURES,
            server_errors: 0,
            success_rate: Some(SuccessRate {
                interval: defaults::OUTLIER_INTERVAL,
                endpoints_min: defaults::OUTLIER_ENDPOINTS_MIN,
                requests_min: defaults::OUTLIER_REQUESTS_MIN,
            }),
            ejection: defaults::EJECTION,
            ejection_max: defaults::EJECTION_MAX,
            percent_max: defaults::EJECTED_PERCENT_MAX,
        },
        circuit: Circuit {
            connections: defaults::CIRCUIT,
            pending: defaults::CIRCUIT,
            requests: defaults::CIRCUIT,
        },
        retry_budget: RetryBudget {
            percent: defaults::RETRY_BUDGET_PERCENT,
            floor: defaults::RETRY_BUDGET_FLOOR,
        },
        connections: Connections {
            connect_timeout: defaults::CONNECT_TIMEOUT,
            idle_timeout: defaults::IDLE_TIMEOUT,
            requests_max: None,
            age_max: None,
        },
        preserve_host: true,
        calls: Vec::new(),
        given: Given::default(),
    }
}

/// Whole segments, without a slash at the end.
fn prefix(text: &str) -> Result<Arc<str>, String> {
    let valid = text.starts_with('/')
        && !text.ends_with('/')
        && !text.contains("//")
        && !text.contains(['?', '#', '%', '{', ' ']);
    if valid {
        Ok(text.into())
    } else {
        Err("write whole segments, such as `/api`".to_owned())
    }
}

/// A prefix, or `/` for every row.
fn called(text: &str) -> Result<Arc<str>, String> {
    match text {
        "/" => Ok(text.into()),
        _ => prefix(text),
    }
}

fn connections(decoder: &mut Decoder<'_>, node: &Node, row: &mut Connections) {
    let Some(mut fields) = Fields::of(decoder, node, "`connections`") else {
        return;
    };
    let requests = fields.take("max_requests");
    row.requests_max =
        requests.map(|node| decoder.count(Some(node), "max_requests", 1..=u32::MAX, 1));
    let age = fields.take("max_age");
    row.age_max = age.map(|node| decoder.duration(Some(node), "max_age", defaults::DURATION_MAX));
    fields.finish(decoder);
}

fn timeouts(decoder: &mut Decoder<'_>, node: &Node, row: &mut Connections) {
    let Some(mut fields) = Fields::of(decoder, node, "`timeouts`") else {
        return;
    };
    let connect = fields.take("connect");
    row.connect_timeout = decoder.duration(connect, "connect", row.connect_timeout);
    let idle = fields.take("idle");
    row.idle_timeout = decoder.duration(idle, "idle", row.idle_timeout);
    fields.finish(decoder);
}
