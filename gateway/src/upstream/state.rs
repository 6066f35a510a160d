//! An upstream as the running gateway knows it: what the table says, and who serves it now.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use http::HeaderValue;
use route_table::Table;
use route_table::table::{EndpointSource, StaticEndpoint, Upstream};
use tokio::sync::Notify;

use crate::balance::{Doubt, Endpoint, EndpointKey, EndpointSet, Instant, Member};
use crate::mirror::Target;
use crate::upstream::complaints::Complaints;
use crate::upstream::names::Names;
use crate::upstream::open_connections::OpenConnections;
use crate::upstream::retry_budget::RetryBudget;
use crate::upstream::tls::ClientTls;

/// Ids are never used twice, so that a pool can't mix up an old endpoint and a new one.
static NEXT_ENDPOINT_ID: AtomicU64 = AtomicU64::new(1);

/// One upstream. It lives on through reloads that leave its row as it was.
#[derive(Debug)]
pub(crate) struct UpstreamState {
    pub(crate) config: Upstream,
    /// Its name, for clients that ask who has served them.
    pub(crate) served_by: Option<HeaderValue>,
    /// The registry that endpoints of a registry service come from.
    pub(crate) registry: Option<String>,
    /// The gateway's own.
    zone: Option<Arc<str>>,
    endpoints: ArcSwap<EndpointSet>,
    pub(crate) retry_budget: RetryBudget,
    /// Requests under way, from the first attempt to the answer's end.
    pub(super) requests: AtomicU32,
    /// Told when endpoints have come or gone.
    pub(crate) endpoints_changed: Arc<Notify>,
    /// Addresses of the endpoints that are names.
    pub(crate) names: Names,
    /// How its https endpoints are known; `None` while there are none, or while their files cannot be
    /// used.
    pub(crate) tls: ArcSwapOption<ClientTls>,
    /// Connections to its endpoints, those being opened and those in pools included.
    pub(crate) open_connections: OpenConnections,
    pub(super) complaints: Arc<Complaints>,
    /// What waits for it and is under way to it as a mirror.
    pub(crate) mirror: Target,
}

/// One endpoint as discovery reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Discovered {
    pub(crate) key: EndpointKey,
    /// Its share relative to the others.
    pub(crate) weight: u32,
    pub(crate) zone: Option<Arc<str>>,
    pub(crate) priority: u8,
    /// Why it is to be used last.
    pub(crate) doubt: Option<Doubt>,
}

impl From<&StaticEndpoint> for Discovered {
    fn from(endpoint: &StaticEndpoint) -> Self {
        Self {
            key: EndpointKey {
                address: endpoint.address.clone(),
                tls: endpoint.tls,
            },
            weight: endpoint.weight,
            zone: endpoint.zone.clone(),
            priority: endpoint.priority,
            doubt: None,
        }
    }
}

impl Discovered {
    /// Whether nothing is said anew of a member.
    fn describes(&self, member: &Member) -> bool {
        (self.weight, &self.zone, self.priority) == (member.weight, &member.zone, member.priority)
    }
}

impl UpstreamState {
    /// An upstream whose row was first seen at `now`.
    pub(crate) fn new(
        config: Upstream,
        registry: Option<String>,
        zone: Option<Arc<str>>,
        now: Instant,
    ) -> Self {
        let complaints = Complaints::of(&config.name);
        let state = Self {
            endpoints: ArcSwap::from_pointee(EndpointSet::new(&config, None, Vec::new(), 0)),
            served_by: HeaderValue::from_str(&config.name).ok(),
            config,
            registry,
            zone,
            retry_budget: RetryBudget::default(),
            requests: AtomicU32::new(0),
            endpoints_changed: Arc::default(),
            names: Names::default(),
            tls: ArcSwapOption::empty(),
            open_connections: OpenConnections::default(),
            complaints,
            mirror: Target::default(),
        };
        if ClientTls::is_asked_for(&state.config) {
            state.load_tls();
        }
        if let EndpointSource::Static(endpoints) = &state.config.endpoints {
            let discovered: Vec<_> = endpoints.iter().map(Discovered::from).collect();
            state.replace_endpoints(&discovered, now);
        }
        state
    }

    /// Takes the upstreams of a new table; rows that did not change keep their endpoints,
    /// measurements and connections.
    pub(crate) fn carry_over(
        previous: &[Arc<Self>],
        table: &Table,
        now: Instant,
    ) -> Vec<Arc<Self>> {
        let rows = &table.upstreams;
        rows.iter()
            .map(|row| {
                let registry = match row.endpoints {
                    EndpointSource::Registry { .. } => table.registry.clone(),
                    EndpointSource::Static(_) => None,
                };
                let same = |state: &&Arc<Self>| {
                    (&state.registry, &state.zone) == (&registry, &table.zone)
                        && same_row(&state.config, row)
                };
                previous.iter().find(same).map_or_else(
                    || {
                        let zone = table.zone.clone();
                        Arc::new(Self::new(row.clone(), registry.clone(), zone, now))
                    },
                    Arc::clone,
                )
            })
            .collect()
    }

    pub(crate) fn endpoints(&self) -> arc_swap::Guard<Arc<EndpointSet>> {
        self.endpoints.load()
    }

    /// Publishes a new endpoint set; endpoints that were there before keep their state. Returns
    /// those that are gone, or `None` when the set is the same.
    pub(crate) fn replace_endpoints(
        &self,
        discovered: &[Discovered],
        now: Instant,
    ) -> Option<Vec<Arc<Endpoint>>> {
        let current = self.endpoints.load();
        let mut changed = current.len() != discovered.len();
        let next: Vec<_> = discovered
            .iter()
            .map(|found| {
                let known = current.members().iter();
                let known = known.into_iter().find(|one| one.endpoint.key == found.key);
                changed |= known.is_none_or(|known| !found.describes(known));
                let endpoint = known.map_or_else(
                    || {
                        let id = NEXT_ENDPOINT_ID.fetch_add(1, Ordering::Relaxed);
                        Arc::new(Endpoint::new(id, found.key.clone(), now))
                    },
                    |known| Arc::clone(&known.endpoint),
                );
                endpoint.standing.set_doubt(found.doubt, now);
                Member {
                    endpoint,
                    weight: found.weight,
                    zone: found.zone.clone(),
                    priority: found.priority,
                }
            })
            .collect();
        if !changed {
            return None;
        }
        let kept = |endpoint: &&Arc<Endpoint>| discovered.iter().any(|one| one.key == endpoint.key);
        let gone = current
            .iter()
            .filter(|endpoint| !kept(endpoint))
            .cloned()
            .collect();
        let zone = self.zone.as_deref();
        let set = EndpointSet::new(&self.config, zone, next, fastrand::u64(..));
        self.endpoints.store(Arc::new(set));
        if self.tls.load().is_none() && discovered.iter().any(|one| one.key.tls) {
            self.load_tls();
        }
        self.endpoints_changed.notify_one();
        Some(gone)
    }

    /// Reads the files that TLS needs. What cannot be read is logged; what was there before stays.
    /// Returns whether there is a new configuration.
    pub(crate) fn load_tls(&self) -> bool {
        match ClientTls::build(&self.config) {
            Ok(tls) => {
                self.tls.store(Some(Arc::new(tls)));
                true
            }
            Err(error) => {
                let upstream = &self.config.name;
                tracing::error!(%upstream, %error, "TLS files of the upstream cannot be used");
                false
            }
        }
    }
}

/// Equal but for how it is written: a line inserted above, or a default written out, is no change.
fn same_row(one: &Upstream, other: &Upstream) -> bool {
    let at_one_place = Upstream {
        position: one.position.clone(),
        given: one.given.clone(),
        ..other.clone()
    };
    *one == at_one_place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(port: u16) -> Discovered {
        Discovered {
            key: EndpointKey::http("127.0.0.1", port),
            weight: 1,
            zone: None,
            priority: 0,
            doubt: None,
        }
    }

    fn table() -> Table {
        let text = "version: 1\nlisteners: [{ bind: '127.0.0.1:0' }]\n\
                    upstreams: { a: { endpoints: ['http://127.0.0.1:1'] } }\n\
                    routes: [{ match: { prefix: / }, to: { upstream: a } }]\n";
        crate::routing::table_for_test(text)
    }

    fn state() -> UpstreamState {
        UpstreamState::new(table().upstreams[0].clone(), None, None, Instant(1))
    }

    #[test]
    fn an_endpoint_that_stays_keeps_its_state() {
        let state = state();
        state.replace_endpoints(&[found(1), found(2)], Instant(2));
        let before = Arc::clone(&state.endpoints());
        state.replace_endpoints(&[found(2), found(3)], Instant(2));
        let after = Arc::clone(&state.endpoints());
        let (before, after_all) = (before.iter().nth(1), &after);
        let kept = before.zip(after_all.iter().next());
        assert!(kept.is_some_and(|(before, after)| Arc::ptr_eq(before, after)));
        assert_eq!(after.len(), 2);
    }

    #[test]
    fn an_unchanged_set_is_not_published_again() {
        let state = state();
        assert!(
            state
                .replace_endpoints(&[found(1), found(2)], Instant(2))
                .is_some()
        );
        assert!(
            state
                .replace_endpoints(&[found(1), found(2)], Instant(2))
                .is_none()
        );
    }

    #[test]
    fn a_row_that_only_moved_in_the_file_keeps_its_upstream() {
        let state = Arc::new(state());
        let mut table = table();
        table.upstreams[0].position.line += 7;
        let carried = UpstreamState::carry_over(&[Arc::clone(&state)], &table, Instant(2));
        assert!(Arc::ptr_eq(&carried[0], &state));
    }

    #[test]
    fn a_row_that_changed_starts_anew() {
        let state = Arc::new(state());
        let mut table = table();
        table.upstreams[0].connections.connect_timeout *= 2;
        let carried = UpstreamState::carry_over(&[Arc::clone(&state)], &table, Instant(2));
        assert!(!Arc::ptr_eq(&carried[0], &state));
    }
}
