//! What applies to a route's requests, and who says so.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use route_table::Table;
use route_table::table::{
    Bound, ClientNetworks, Given, HashKey, HeaderRules, HealthProbe, Listener, ListenerKind,
    Position, Priority, QueryKey, Rate, RetryOn, Route, Upstream, UpstreamProtocol, UserKey,
};

use crate::explain::answers;
use crate::explain::auth_in_words;
use crate::explain::report::{Origin, Setting, place};

/// The effective values of a route that is served by `upstream`.
pub(super) fn of(table: &Table, route: &Route, upstream: Option<&Upstream>) -> Vec<Setting> {
    let mut settings = Vec::new();
    if let Some(listener) = table
        .listeners
        .iter()
        .find(|one| one.kind == ListenerKind::Edge)
    {
        of_listener(&mut settings, listener);
    }
    of_route(&mut settings, table, route);
    if let Some(upstream) = upstream {
        of_upstream(&mut settings, upstream);
    }
    settings
}

/// A row that says some of its values and leaves others to their defaults.
struct Row<'r> {
    settings: &'r mut Vec<Setting>,
    origin: Origin,
    given: &'r Given,
    position: &'r Position,
}

impl Row<'_> {
    /// Adds a value whose key may stand in the row.
    fn add(&mut self, key: &'static str, value: impl Into<String>) {
        let is_given = self.given.has(key);
        self.settings.push(Setting {
            key: key.into(),
            value: value.into(),
            origin: if is_given {
                self.origin
            } else {
                Origin::Default
            },
            at: is_given.then(|| place(self.position)),
        });
    }
}

fn of_listener(settings: &mut Vec<Setting>, listener: &Listener) {
    let trusted: Vec<_> = listener
        .trusted_proxies
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut add = |key: &'static str, value: Option<String>, default: &str| {
        settings.push(Setting {
            key: key.into(),
            origin: match &value {
                Some(_) => Origin::Listener,
                None => Origin::Default,
            },
            at: value.as_ref().map(|_| place(&listener.position)),
            value: value.unwrap_or_else(|| default.to_owned()),
        });
    };
    add("per_ip_limit", listener.per_ip_limit.map(rate), "none");
    let trusted = (!trusted.is_empty()).then(|| trusted.join(", "));
    add("trusted_proxies", trusted, "none");
}

fn of_route(settings: &mut Vec<Setting>, table: &Table, route: &Route) {
    let policy = &route.policy;
    let mut row = Row {
        settings,
        origin: Origin::Route,
        given: &policy.given,
        position: &route.position,
    };
    row.add("auth", auth_in_words(table, route.policy.auth.as_ref()));
    let limits = policy.limits.iter();
    let limits = limits.filter_map(|id| table.limits.get(id.0 as usize));
    let limits: Vec<_> = limits
        .map(|limit| format!("{} ({})", limit.name, bound(limit.bound)))
        .collect();
    if let Some(networks) = &policy.client_ip {
        row.add("client_ip", client_ip(networks));
    }
    row.add(
        "limits",
        if limits.is_empty() {
            "none".to_owned()
        } else {
            limits.join(", ")
        },
    );
    row.add(
        "timeout",
        if policy.streaming {
            "none: streaming".to_owned()
        } else {
            time(policy.timeout)
        },
    );
    row.add(
        "try_timeout",
        policy.try_timeout.map_or_else(|| "none".to_owned(), time),
    );
    row.add("retries", retries(route));
    row.add("body_limit", bytes(policy.body_limit_bytes));
    row.add("streaming", yes(policy.streaming));
    row.add("websocket", yes(policy.websocket));
    let rewrite = policy.rewrite.as_ref();
    row.add("rewrite", rewrite.map_or("none", |path| &path.text));
    row.add("request_headers", header_rules(&policy.request_headers));
    row.add("response_headers", header_rules(&policy.response_headers));
    row.add("cors", answers::cors(route));
    row.add("compress", answers::compress(route));
    row.add("maintenance", answers::maintenance(route));
    row.add("error_pages", answers::error_pages(table, route));
    row.add("mirror", mirror(table, route));
    row.add("cache", cache(route));
    row.add(
        "priority",
        match policy.priority {
            Priority::Low => "low",
            Priority::Normal => "normal",
            Priority::High => "high",
        },
    );
}

fn of_upstream(settings: &mut Vec<Setting>, upstream: &Upstream) {
    let mut row = Row {
        settings,
        origin: Origin::Upstream,
        given: &upstream.given,
        position: &upstream.position,
    };
    row.add(
        "protocol",
        match upstream.protocol {
            UpstreamProtocol::Auto => "auto",
            UpstreamProtocol::Http1 => "http1",
            UpstreamProtocol::Http2 => "http2",
        },
    );
    row.add(
        "strip_prefix",
        upstream.strip_prefix.as_deref().unwrap_or("none"),
    );
    row.add("preserve_host", yes(upstream.preserve_host));
    row.add("balance", upstream.balance.name());
    if upstream.balance.goes_by_key() {
        row.add("hash", hash(&upstream.hash));
    }
    let sticky = upstream.sticky.as_ref();
    row.add("sticky", sticky.map_or("none", |cookie| &cookie.name));
    row.add(
        "slow_start",
        upstream.slow_start.map_or_else(|| "none".to_owned(), time),
    );
    row.add("health", health(upstream));
    let outlier = &upstream.outlier;
    row.add("outlier.local_failures", outlier.local_failures.to_string());
    row.add(
        "outlier.gateway_failures",
        outlier.gateway_failures.to_string(),
    );
    row.add("outlier.server_errors", outlier.server_errors.to_string());
    row.add("outlier.ejection", time(outlier.ejection));
    row.add("circuit.requests", upstream.circuit.requests.to_string());
    row.add(
        "circuit.connections",
        upstream.circuit.connections.to_string(),
    );
    row.add("circuit.pending", upstream.circuit.pending.to_string());
    row.add(
        "retry_budget.percent",
        upstream.retry_budget.percent.to_string(),
    );
    row.add(
        "retry_budget.floor",
        upstream.retry_budget.floor.to_string(),
    );
    row.add(
        "timeouts.connect",
        time(upstream.connections.connect_timeout),
    );
    row.add("timeouts.idle", time(upstream.connections.idle_timeout));
}

fn header_rules(rules: &HeaderRules) -> String {
    let removed = rules.remove.iter().map(|name| format!("-{name}"));
    let pairs = |sign: &'static str, pairs: &[(HeaderName, HeaderValue)]| {
        let texts = pairs.iter().map(move |(name, value)| {
            format!(
                "{sign}{name}: {}",
                String::from_utf8_lossy(value.as_bytes())
            )
        });
        texts.collect::<Vec<_>>()
    };
    let set = pairs("", &rules.set).into_iter();
    let changes: Vec<_> = removed.chain(set).chain(pairs("+", &rules.add)).collect();
    if changes.is_empty() {
        "none".to_owned()
    } else {
        changes.join(", ")
    }
}

fn mirror(table: &Table, route: &Route) -> String {
    let Some(mirror) = route.policy.mirror else {
        return "none".to_owned();
    };
    let requests = if mirror.isolated {
        "any method"
    } else {
        "GET, HEAD, OPTIONS"
    };
    let (upstream, percent) = (table.upstream(mirror.upstream), mirror.percent);
    format!("{requests} to {}, {percent} %", upstream.name)
}

fn cache(route: &Route) -> String {
    let Some(policy) = &route.policy.cache else {
        return "none".to_owned();
    };
    let mut said = vec![match policy.ttl {
        Some(ttl) => format!("as answers say, else {}", time(ttl)),
        None => "as answers say".to_owned(),
    }];
    for (what, stale) in [
        ("stale while revalidated", policy.stale_while_revalidate),
        ("stale if the upstream fails", policy.stale_if_error),
    ] {
        if !stale.is_zero() {
            said.push(format!("{} {what}", time(stale)));
        }
    }
    let list = |names: &[Arc<str>]| names.join(" ");
    match &policy.query {
        QueryKey::All => {}
        QueryKey::Only(names) => said.push(format!("by query {}", list(names))),
        QueryKey::Without(names) => said.push(format!("by query without {}", list(names))),
    }
    let headers = policy.headers.iter();
    said.extend(headers.map(|name| format!("by header {name}")));
    match &policy.per_user {
        None => {}
        Some(UserKey::Claim(name)) => said.push(format!("per user by claim {name}")),
        Some(UserKey::Cookie(name)) => said.push(format!("per user by cookie {name}")),
    }
    said.push(format!("bodies up to {}", bytes(policy.body_bytes_max)));
    said.join(", ")
}

fn bound(bound: Bound) -> String {
    match bound {
        Bound::Rate(per) => rate(per),
        Bound::Concurrent(max) => format!("{max} at once"),
    }
}

fn client_ip(networks: &ClientNetworks) -> String {
    let named = |what: &str, networks: &[IpNet]| {
        let listed: Vec<_> = networks.iter().map(ToString::to_string).collect();
        (!listed.is_empty()).then(|| format!("{what} {}", listed.join(" ")))
    };
    let parts = [
        named("allow", &networks.allow),
        named("deny", &networks.deny),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn retries(route: &Route) -> String {
    let retries = &route.policy.retries;
    if retries.attempts == 0 {
        return "none".to_owned();
    }
    let RetryOn {
        reset,
        timeout,
        bad_gateway,
        unavailable,
        gateway_timeout,
    } = retries.on;
    let on: Vec<_> = [
        (reset, "reset"),
        (timeout, "timeout"),
        (bad_gateway, "502"),
        (unavailable, "503"),
        (gateway_timeout, "504"),
    ]
    .into_iter()
    .filter_map(|(on, name)| on.then_some(name))
    .collect();
    let whom = if retries.any_method {
        "any method"
    } else {
        "idempotent methods"
    };
    format!("{} more, on {}, {whom}", retries.attempts, on.join(" "))
}

fn hash(key: &HashKey) -> String {
    match key {
        HashKey::ClientIp => "ip".to_owned(),
        HashKey::Path => "path".to_owned(),
        HashKey::Header(name) => format!("header:{name}"),
        HashKey::Cookie(name) => format!("cookie:{name}"),
    }
}

fn health(upstream: &Upstream) -> String {
    let Some(check) = &upstream.health else {
        return "none".to_owned();
    };
    let probe = match &check.probe {
        HealthProbe::Http { path } => format!("GET {path}"),
        HealthProbe::Tcp => "tcp".to_owned(),
        HealthProbe::Grpc { service } => format!("grpc {service}"),
    };
    format!("{probe} every {}", time(check.interval))
}

fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn rate(rate: Rate) -> String {
    let period = match rate.period.as_secs() {
        1 => "s".to_owned(),
        60 => "m".to_owned(),
        3_600 => "h".to_owned(),
        86_400 => "d".to_owned(),
        _ => time(rate.period),
    };
    format!("{}/{period}, burst {}", rate.count, rate.burst)
}

/// As it is written in the table.
pub(super) fn time(time: Duration) -> String {
    let ms = time.as_millis();
    for (unit_ms, unit) in [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
    ] {
        // Ninety seconds are not a minute and a half.
        if ms >= unit_ms && ms.is_multiple_of(unit_ms) {
            return format!("{}{unit}", ms / unit_ms);
        }
    }
    format!("{ms}ms")
}

pub(super) fn bytes(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes >= 1 << shift && bytes.is_multiple_of(1 << shift) {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    format!("{bytes}B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_as_tables_say_them() {
        for (ms, text) in [
            (250, "250ms"),
            (15_000, "15s"),
            (90_000, "90s"),
            (3_600_000, "1h"),
        ] {
            assert_eq!(time(Duration::from_millis(ms)), text);
        }
        for (count, text) in [(10 << 20, "10MiB"), (1_000, "1000B"), (64 << 10, "64KiB")] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn every_value_says_who_says_it() {
        let table = crate::routing::table_for_test(
            "version: 1\n\
             listeners: [{ bind: '127.0.0.1:0', per_ip_limit: { rate: 500/s } }]\n\
             upstreams:\n  a: { endpoints: ['http://127.0.0.1:1'], circuit: { requests: 7 } }\n\
             routes:\n- { match: { prefix: / }, to: { upstream: a }, timeout: 15s }\n",
        );
        let settings = of(&table, &table.routes[0], Some(&table.upstreams[0]));
        for (key, value, origin, at) in [
            (
                "per_ip_limit",
                "500/s, burst 500",
                Origin::Listener,
                Some("routes.yaml:2"),
            ),
            ("trusted_proxies", "none", Origin::Default, None),
            ("timeout", "15s", Origin::Route, Some("routes.yaml:6")),
            ("body_limit", "10MiB", Origin::Default, None),
            (
                "circuit.requests",
                "7",
                Origin::Upstream,
                Some("routes.yaml:4"),
            ),
            ("circuit.pending", "1024", Origin::Default, None),
        ] {
            let setting = settings.iter().find(|one| one.key == key).expect(key);
            assert_eq!(setting.value, value, "{key}");
            assert_eq!(setting.origin, origin, "{key}");
            assert_eq!(setting.at.as_deref(), at, "{key}");
        }
        let keys: std::collections::HashSet<_> = settings.iter().map(|one| &one.key).collect();
        assert_eq!(keys.len(), settings.len(), "each is said once");
    }
}
