//! An upstream as the running gateway knows it: what the table says, and who serves it now.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use route_table::Table;
use route_table::table::{EndpointSource, Upstream};
use tokio::sync::Notify;

use crate::balance::{Endpoint, EndpointKey, Instant};
use crate::defaults::COMPLAINT_PAUSE;
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
    /// The registry that endpoints of a registry service come from.
    pub(crate) registry: Option<String>,
    endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    /// Whose turn it is under round robin.
    pub(crate) turn: AtomicUsize,
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
    /// When an endpoint was last complained about.
    complained: AtomicU64,
}

/// One endpoint as discovery reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Discovered {
    pub(crate) key: EndpointKey,
    /// Its lease has run out, or it is draining: use it last.
    pub(crate) suspect: bool,
}

impl UpstreamState {
    pub(crate) fn new(config: Upstream, registry: Option<String>) -> Self {
        let state = Self {
            config,
            registry,
            endpoints: ArcSwap::from_pointee(Vec::new()),
            turn: AtomicUsize::new(0),
            retry_budget: RetryBudget::default(),
            requests: AtomicU32::new(0),
            endpoints_changed: Arc::default(),
            names: Names::default(),
            tls: ArcSwapOption::empty(),
            open_connections: OpenConnections::default(),
            complained: AtomicU64::new(0),
        };
        if ClientTls::is_asked_for(&state.config) {
            state.load_tls();
        }
        if let EndpointSource::Static(endpoints) = &state.config.endpoints {
            let discovered: Vec<_> = endpoints
                .iter()
                .map(|endpoint| Discovered {
                    key: EndpointKey {
                        address: endpoint.address.clone(),
                        tls: endpoint.tls,
                    },
                    suspect: false,
                })
                .collect();
            state.replace_endpoints(&discovered);
        }
        state
    }

    /// Takes the upstreams of a new table; rows that did not change keep their endpoints,
    /// measurements and connections.
    pub(crate) fn carry_over(previous: &[Arc<Self>], table: &Table) -> Vec<Arc<Self>> {
        let rows = &table.upstreams;
        rows.iter()
            .map(|row| {
                let registry = match row.endpoints {
                    EndpointSource::Registry { .. } => table.registry.clone(),
                    EndpointSource::Static(_) => None,
                };
                previous
                    .iter()
                    .find(|state| state.registry == registry && same_row(&state.config, row))
                    .map(Arc::clone)
                    .unwrap_or_else(|| Arc::new(Self::new(row.clone(), registry)))
            })
            .collect()
    }

    pub(crate) fn endpoints(&self) -> arc_swap::Guard<Arc<Vec<Arc<Endpoint>>>> {
        self.endpoints.load()
    }

    /// Publishes a new endpoint set; endpoints that were there before keep their state. Returns
    /// those that are gone, or `None` when the set is the same.
    pub(crate) fn replace_endpoints(
        &self,
        discovered: &[Discovered],
    ) -> Option<Vec<Arc<Endpoint>>> {
        let current = self.endpoints.load();
        let mut changed = current.len() != discovered.len();
        let next = discovered
            .iter()
            .map(|found| {
                let known = current.iter().find(|endpoint| endpoint.key == found.key);
                let endpoint = known.map_or_else(
                    || {
                        changed = true;
                        let id = NEXT_ENDPOINT_ID.fetch_add(1, Ordering::Relaxed);
                        Arc::new(Endpoint::new(id, found.key.clone()))
                    },
                    Arc::clone,
                );
                endpoint.set_suspect(found.suspect);
                endpoint
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
        self.endpoints.store(Arc::new(next));
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

    /// Whether it is time for another line in the log about endpoints that cannot be used: one for
    /// every request would say nothing new.
    pub(super) fn may_complain(&self, now: Instant) -> bool {
        let last = self.complained.load(Ordering::Relaxed);
        if last != 0 && now.since(Instant(last)) < COMPLAINT_PAUSE {
            return false;
        }
        let swap =
            self.complained
                .compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed);
        swap.is_ok()
    }
}

/// Equal but for the place in the file: a line inserted above is no change.
fn same_row(one: &Upstream, other: &Upstream) -> bool {
    let at_one_place = Upstream {
        position: one.position.clone(),
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
            suspect: false,
        }
    }

    fn table() -> Table {
        let text = "version: 1\nlisteners: [{ bind: '127.0.0.1:0' }]\n\
                    upstreams: { a: { endpoints: ['http://127.0.0.1:1'] } }\n\
                    routes: [{ match: { prefix: / }, to: { upstream: a } }]\n";
        crate::routing::table_for_test(text)
    }

    fn state() -> UpstreamState {
        UpstreamState::new(table().upstreams[0].clone(), None)
    }

    #[test]
    fn an_endpoint_that_stays_keeps_its_state() {
        let state = state();
        state.replace_endpoints(&[found(1), found(2)]);
        let before = state.endpoints().clone();
        state.replace_endpoints(&[found(2), found(3)]);
        let after = state.endpoints().clone();
        assert!(Arc::ptr_eq(&before[1], &after[0]));
        assert_eq!(after.len(), 2);
    }

    #[test]
    fn an_unchanged_set_is_not_published_again() {
        let state = state();
        assert!(state.replace_endpoints(&[found(1), found(2)]).is_some());
        assert!(state.replace_endpoints(&[found(1), found(2)]).is_none());
    }

    #[test]
    fn a_row_that_only_moved_in_the_file_keeps_its_upstream() {
        let state = Arc::new(state());
        let mut table = table();
        table.upstreams[0].position.line += 7;
        let carried = UpstreamState::carry_over(&[Arc::clone(&state)], &table);
        assert!(Arc::ptr_eq(&carried[0], &state));
    }

    #[test]
    fn a_row_that_changed_starts_anew() {
        let state = Arc::new(state());
        let mut table = table();
        table.upstreams[0].connections.connect_timeout *= 2;
        let carried = UpstreamState::carry_over(&[Arc::clone(&state)], &table);
        assert!(!Arc::ptr_eq(&carried[0], &state));
    }
}
