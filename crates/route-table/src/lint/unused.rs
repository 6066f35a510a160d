//! Names that are defined and that no row uses: a leftover, or a row that was meant to.

use std::collections::HashSet;

use super::{Finding, Lint};
use crate::table::{
    Action, LimitId, MigrationId, Position, ProviderId, ProviderKind, Table, UpstreamId,
};

/// What rows use.
#[derive(Default)]
struct Used {
    upstreams: HashSet<UpstreamId>,
    providers: HashSet<ProviderId>,
    limits: HashSet<LimitId>,
    migrations: HashSet<MigrationId>,
}

pub(super) fn check(table: &Table, findings: &mut Vec<Finding>) {
    let used = Used::by(table);
    let mut unless = |is_used: bool, what: &str, name: &str, position: &Position| {
        if is_used {
            return;
        }
        findings.push(Finding {
            lint: Lint::UnusedName,
            position: position.clone(),
            message: format!("{what} `{name}` is used by no row"),
            mend: "remove it, or name it in the row that it is for".to_owned(),
        });
    };
    for (id, row) in (0..).zip(&table.upstreams) {
        let is_used = used.upstreams.contains(&UpstreamId(id));
        unless(is_used, "upstream", &row.name, &row.position);
    }
    for (id, row) in (0..).zip(&table.providers) {
        let is_used = used.providers.contains(&ProviderId(id));
        unless(is_used, "provider", &row.name, &row.position);
    }
    for (id, row) in (0..).zip(&table.limits) {
        let is_used = used.limits.contains(&LimitId(id));
        unless(is_used, "limit", &row.name, &row.position);
    }
    for (id, row) in (0..).zip(&table.migrations) {
        let is_used = used.migrations.contains(&MigrationId(id));
        unless(is_used, "migration", &row.name, &row.position);
    }
}

impl Used {
    fn by(table: &Table) -> Self {
        let mut used = Self::default();
        for route in &table.routes {
            match &route.action {
                Action::Upstream(id) => drop(used.upstreams.insert(*id)),
                Action::Split(split) => {
                    let shares = split.shares.iter();
                    used.upstreams.extend(shares.map(|share| share.upstream));
                }
                Action::Migration(id) => drop(used.migrations.insert(*id)),
                Action::Respond(_) | Action::Redirect(_) => {}
            }
            let policy = &route.policy;
            used.limits.extend(&policy.limits);
            used.upstreams
                .extend(policy.mirror.map(|mirror| mirror.upstream));
            let demands = policy.auth.iter().flat_map(|auth| &auth.demands);
            used.providers.extend(demands.map(|demand| demand.provider));
        }
        // What is used by what nobody uses is named with it.
        for migration in &table.migrations {
            used.upstreams.extend([migration.from, migration.to]);
        }
        for provider in &table.providers {
            match &provider.kind {
                ProviderKind::Forward(check) => drop(used.upstreams.insert(check.asked.upstream)),
                ProviderKind::Introspection(server) => {
                    used.upstreams.insert(server.asked.upstream);
                }
                ProviderKind::Jwt(_)
                | ProviderKind::ApiKeys(_)
                | ProviderKind::ClientCertificate(_) => {}
            }
        }
        used
    }
}
