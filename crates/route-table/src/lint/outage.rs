//! Dependencies without a word on their outage. There are defaults; who is on call should not have to know them
//! by heart.

use super::{Finding, Lint};
use crate::table::{ProviderKind, Table};

pub(super) fn check(table: &Table, findings: &mut Vec<Finding>) {
    for provider in &table.providers {
        let (key, what, mend) = match &provider.kind {
            ProviderKind::Jwt(_) => (
                "on_outage",
                "its keys can't be fetched",
                "write for how long known keys serve: `on_outage: { stale: 1h }`",
            ),
            ProviderKind::Forward(_) => (
                "forward.on_outage",
                "the service it asks is away",
                "write for how long a yes holds: `on_outage: { stale: 5m }`, or `{ stale: 0s }` for 503 at once",
            ),
            ProviderKind::Introspection(_) => (
                "introspection.on_outage",
                "the server it asks is away",
                "write for how long a yes holds: `on_outage: { stale: 5m }`, or `{ stale: 0s }` for 503 at once",
            ),
            ProviderKind::ApiKeys(_) | ProviderKind::ClientCertificate(_) => continue,
        };
        if !provider.given.has(key) {
            findings.push(Finding {
                lint: Lint::MissingOutagePolicy,
                position: provider.position.clone(),
                message: format!(
                    "provider `{}` does not say what holds while {what}",
                    provider.name
                ),
                mend: mend.to_owned(),
            });
        }
    }
}
