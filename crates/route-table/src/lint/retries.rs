//! Retries upon retries: where two layers try again, their attempts multiply, and a fault gets the most
//! requests where it is.

use std::collections::BTreeMap;

use super::calls::{Calls, upstreams_of};
use super::{Finding, Lint, some_of};
use crate::table::{RetryPolicy, Table, UpstreamId};

/// Layers that are followed.
const DEPTH_MAX: usize = 16;

pub(super) fn check(table: &Table, calls: &Calls<'_>, findings: &mut Vec<Finding>) {
    for (id, upstream) in (0..).map(UpstreamId).zip(&table.upstreams) {
        if upstream.calls.is_empty() {
            continue;
        }
        let Some(worst) = worst_below(table, calls, id, &mut vec![id]) else {
            findings.push(Finding {
                lint: Lint::CallLoop,
                position: upstream.position.clone(),
                message: format!("`{}` asks rows that lead back to it", upstream.name),
                mend: "one request may go round for ever: narrow `calls`, or the rows".to_owned(),
            });
            continue;
        };
        let mut retrying: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
        let rows = table.routes.iter();
        for row in rows.filter(|row| upstreams_of(table, row).contains(&id)) {
            let attempts = attempts(&row.policy.retries);
            retrying.entry(attempts).or_default().push(&row.name);
        }
        let outer = retrying
            .iter()
            .next_back()
            .filter(|(attempts, _)| **attempts > 1);
        if let Some((outer, names)) = outer
            && worst.attempts > 1
        {
            findings.push(Finding {
                lint: Lint::RetryAmplification,
                position: upstream.position.clone(),
                message: format!(
                    "one request may become {} at `{}`: {} of {} × {} of what `{}` asks there ({})",
                    outer * worst.attempts,
                    worst.upstream,
                    outer,
                    some_of(names),
                    worst.attempts,
                    upstream.name,
                    worst.row,
                ),
                mend: "let one layer retry: `retries: { on: [] }` on the outer rows still sends anew what was not sent"
                    .to_owned(),
            });
        }
    }
}

/// The most attempts that one request of an upstream's may become.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Worst {
    attempts: u32,
    row: String,
    upstream: String,
}

/// `None`: it goes round in a circle. `path` are the upstreams on the way.
fn worst_below(
    table: &Table,
    calls: &Calls<'_>,
    id: UpstreamId,
    path: &mut Vec<UpstreamId>,
) -> Option<Worst> {
    let mut worst = Worst {
        attempts: 1,
        row: String::new(),
        upstream: String::new(),
    };
    for row in calls.by(id) {
        for next in upstreams_of(table, row) {
            if path.contains(&next) || path.len() > DEPTH_MAX {
                return None;
            }
            path.push(next);
            let below = worst_below(table, calls, next, path)?;
            path.pop();
            let attempts = attempts(&row.policy.retries).saturating_mul(below.attempts);
            if attempts > worst.attempts {
                worst = Worst {
                    attempts,
                    row: row.name.to_string(),
                    upstream: match below.upstream.is_empty() {
                        true => table.upstream(next).name.to_string(),
                        false => below.upstream,
                    },
                };
            }
        }
    }
    Some(worst)
}

/// How often a request is sent that may have arrived each time.
fn attempts(policy: &RetryPolicy) -> u32 {
    let on = policy.on;
    let repeats = on.reset || on.timeout || on.bad_gateway || on.unavailable || on.gateway_timeout;
    if repeats { policy.attempts + 1 } else { 1 }
}
