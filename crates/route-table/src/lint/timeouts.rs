//! Timeouts that end before what they wait for: the work goes on, and nobody hears of it.

use std::time::Duration;

use super::calls::{Calls, upstreams_of};
use super::{Finding, Lint, some_of};
use crate::table::{ProviderKind, Route, Table};

pub(super) fn check(table: &Table, called: &Calls<'_>, findings: &mut Vec<Finding>) {
    for route in table.routes.iter().filter(|route| !route.policy.streaming) {
        let said = [
            attempts(route),
            connects(table, route),
            checks(table, route),
            calls(table, called, route),
        ];
        let finding = |(message, mend): (String, &str)| Finding {
            lint: Lint::NestedTimeouts,
            position: route.position.clone(),
            message: format!("row `{}`: {message}", route.name),
            mend: mend.to_owned(),
        };
        findings.extend(said.into_iter().flatten().map(finding));
    }
}

type Said = Option<(String, &'static str)>;

/// Attempts that do not fit into the whole.
fn attempts(route: &Route) -> Said {
    let policy = &route.policy;
    let (whole, one) = (policy.timeout, policy.try_timeout?);
    if one >= whole {
        let message = format!("`timeout` ({whole:?}) ends before `try_timeout` ({one:?}) does");
        return Some((
            message,
            "write a `try_timeout` that is shorter than `timeout`, or none",
        ));
    }
    let attempts = policy.retries.attempts + 1;
    let longest = one.saturating_mul(attempts);
    if policy.retries.on.timeout && longest > whole {
        let message = format!(
            "{attempts} attempts of {one:?} take up to {longest:?}, and `timeout` is {whole:?}"
        );
        return Some((
            message,
            "write a longer `timeout`, a shorter `try_timeout`, or fewer `attempts`",
        ));
    }
    None
}

/// Connects that may take longer than the request.
fn connects(table: &Table, route: &Route) -> Said {
    let policy = &route.policy;
    let (patience, name) = match policy.try_timeout {
        Some(one) => (one, "try_timeout"),
        None => (policy.timeout, "timeout"),
    };
    let upstreams = upstreams_of(table, route).into_iter();
    let mut upstreams = upstreams.map(|id| table.upstream(id));
    let slow = upstreams.find(|upstream| upstream.connections.connect_timeout >= patience)?;
    let connect = slow.connections.connect_timeout;
    let message = format!(
        "`{name}` ({patience:?}) ends before a connect to `{}` may ({connect:?})",
        slow.name
    );
    Some((
        message,
        "write a shorter `timeouts: { connect }` for the upstream",
    ))
}

/// Checks of callers that may take longer than the request.
fn checks(table: &Table, route: &Route) -> Said {
    let timeout = route.policy.timeout;
    for demand in route.policy.auth.iter().flat_map(|auth| &auth.demands) {
        let Some(provider) = table.providers.get(demand.provider.0 as usize) else {
            continue;
        };
        let asked = match &provider.kind {
            ProviderKind::Forward(check) => check.asked.timeout,
            ProviderKind::Introspection(server) => server.asked.timeout,
            _ => Duration::ZERO,
        };
        if asked >= timeout {
            let message = format!(
                "`timeout` ({timeout:?}) ends before provider `{}` may answer ({asked:?})",
                provider.name
            );
            return Some((message, "write a shorter `timeout` for the provider"));
        }
    }
    None
}

/// Rows that the upstream asks in its turn, and that may take longer than this one.
fn calls(table: &Table, called: &Calls<'_>, route: &Route) -> Said {
    let timeout = route.policy.timeout;
    for id in upstreams_of(table, route) {
        let upstream = table.upstream(id);
        let longer = called
            .by(id)
            .iter()
            .filter(|inner| inner.policy.streaming || inner.policy.timeout > timeout);
        let longer: Vec<&str> = longer.map(|inner| &*inner.name).collect();
        if !longer.is_empty() {
            let message = format!(
                "`timeout` ({timeout:?}) ends before rows that `{}` asks may answer: {}",
                upstream.name,
                some_of(&longer)
            );
            return Some((
                message,
                "write a longer `timeout` here, or shorter ones there",
            ));
        }
    }
    None
}
