//! One configuration generation.

use std::sync::Arc;

use route_table::Table;
use route_table::table::{Listener, UpstreamId};

use crate::auth::{Authenticators, KeyCopies};
use crate::balance::Instant;
use crate::limits::{Limiters, PerIp};
use crate::upstream::UpstreamState;

/// Everything that a request's decisions read. A request loads it once and keeps it to its end, so
/// that it never sees two generations.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Counted from 1; rises by one with every applied table.
    pub(crate) generation: u64,
    pub(crate) table: Table,
    /// Cookies between clients and us, which no upstream is to see.
    pub(crate) sticky_cookies: Vec<Arc<str>>,
    /// Whether the answers of any route are kept.
    pub(crate) caches: bool,
    /// By [`UpstreamId`].
    pub(crate) upstreams: Vec<Arc<UpstreamState>>,
    pub(crate) authenticators: Authenticators,
    pub(crate) limiters: Limiters,
    /// Coarse limits by listener, in the table's order.
    pub(crate) per_ip: Vec<Option<Arc<PerIp>>>,
}

impl Snapshot {
    /// Builds the first generation, with the copies of key sets that an earlier process has left.
    pub(crate) fn first(table: Table, now: Instant, copies: KeyCopies) -> Self {
        let nobody = Authenticators::keeping_keys_in(copies);
        Self::build(None, &nobody, table, now)
    }

    /// Builds the next generation; whatever did not change in the table lives on.
    pub(crate) fn next(previous: &Self, table: Table, now: Instant) -> Self {
        Self::build(Some(previous), &previous.authenticators, table, now)
    }

    fn build(
        previous: Option<&Self>,
        authenticators: &Authenticators,
        table: Table,
        now: Instant,
    ) -> Self {
        let sticky = table.upstreams.iter();
        let sticky = sticky.filter_map(|upstream| upstream.sticky.as_ref());
        Self {
            generation: previous.map_or(1, |previous| previous.generation + 1),
            upstreams: UpstreamState::carry_over(
                previous.map_or(&[], |previous| &previous.upstreams),
                &table,
                now,
            ),
            caches: table
                .routes
                .iter()
                .any(|route| route.policy.cache.is_some()),
            sticky_cookies: sticky.map(|cookie| Arc::clone(&cookie.name)).collect(),
            authenticators: Authenticators::build(
                authenticators,
                &table.providers,
                table.issuer.as_ref(),
            ),
            limiters: Limiters::build(previous.map(|previous| &previous.limiters), &table.limits),
            per_ip: table
                .listeners
                .iter()
                .map(|listener| per_ip(previous, listener))
                .collect(),
            table,
        }
    }

    /// The live state of an upstream.
    pub(crate) fn upstream(&self, id: UpstreamId) -> &Arc<UpstreamState> {
        #[expect(
            clippy::indexing_slicing,
            reason = "ids are made by compiling this very table"
        )]
        &self.upstreams[id.0 as usize]
    }

    /// The listener of this name, with its coarse limit. `None` when a reload took it away from the
    /// file while its sockets are still open.
    pub(crate) fn listener(&self, name: &str) -> Option<(&Listener, Option<&Arc<PerIp>>)> {
        let index = self
            .table
            .listeners
            .iter()
            .position(|listener| &*listener.name == name)?;
        let listener = self.table.listeners.get(index)?;
        Some((listener, self.per_ip.get(index)?.as_ref()))
    }
}

/// The coarse limit of a listener, carried over when its rate did not change.
fn per_ip(previous: Option<&Snapshot>, listener: &Listener) -> Option<Arc<PerIp>> {
    let rate = listener.per_ip_limit?;
    let kept = previous
        .and_then(|previous| previous.listener(&listener.name))
        .filter(|(known, _)| known.per_ip_limit == Some(rate))
        .and_then(|(_, limiter)| limiter.map(Arc::clone));
    Some(kept.unwrap_or_else(|| Arc::new(PerIp::new(rate))))
}
