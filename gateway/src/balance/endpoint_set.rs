//! The endpoints of an upstream at one time, compiled for choosing among them.

use std::sync::Arc;

use parking_lot::Mutex;
use route_table::table::Upstream;

use crate::balance::endpoint::Endpoint;
use crate::balance::policy::{Policy, policy};
use crate::balance::sticky;

/// One endpoint and what table or registry say of it. Its own state lives on through changes of these.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) endpoint: Arc<Endpoint>,
    /// Its share relative to the others; at least 1.
    pub(crate) weight: u32,
    pub(crate) zone: Option<Arc<str>>,
    /// 0 is asked first.
    pub(crate) priority: u8,
}

/// An immutable set of endpoints with its policy. Discovery publishes a new one.
#[derive(Debug)]
pub(crate) struct EndpointSet {
    members: Vec<Member>,
    /// By index: whether it is in the gateway's own zone.
    own_zone: Vec<bool>,
    /// By index: what a sticky cookie calls it.
    cookies: Vec<u64>,
    /// Whether there is a choice to be made between priorities, and between zones.
    pub(super) has_levels: bool,
    pub(super) has_zones: bool,
    pub(super) slow_start: Option<std::time::Duration>,
    pub(super) policy: Box<dyn Policy>,
    /// Held while an endpoint of this set is ejected; never waited for.
    pub(super) ejecting: Mutex<()>,
}

impl EndpointSet {
    /// Compiles a set. `zone` is the gateway's own; `seed` is any 64 random bits.
    pub(crate) fn new(
        upstream: &Upstream,
        zone: Option<&str>,
        members: Vec<Member>,
        seed: u64,
    ) -> Self {
        let is_own = |member: &Member| zone.is_some() && member.zone.as_deref() == zone;
        let own_zone: Vec<bool> = members.iter().map(is_own).collect();
        let cookies = match &upstream.sticky {
            None => Vec::new(),
            Some(cookie) => members
                .iter()
                .map(|member| sticky::name(cookie, &upstream.name, &member.endpoint.key))
                .collect(),
        };
        let first_level = members.first().map(|member| member.priority);
        Self {
            has_levels: members
                .iter()
                .any(|member| Some(member.priority) != first_level),
            has_zones: own_zone.contains(&true) && own_zone.contains(&false),
            slow_start: upstream.slow_start,
            policy: policy(upstream.balance, &members, seed),
            ejecting: Mutex::new(()),
            members,
            own_zone,
            cookies,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.members.iter().map(|member| &member.endpoint)
    }

    /// What a sticky cookie calls an endpoint; `None` where there is no such cookie, or no such
    /// endpoint any more.
    pub(crate) fn cookie_of(&self, endpoint: &Endpoint) -> Option<u64> {
        let index = self.iter().position(|known| known.id == endpoint.id)?;
        self.cookies.get(index).copied()
    }

    pub(super) fn is_in_own_zone(&self, index: usize) -> bool {
        self.own_zone.get(index).copied().unwrap_or(false)
    }

    /// Whether a cookie of this value means the member at `index`.
    pub(super) fn is_called(&self, index: usize, cookie: u64) -> bool {
        self.cookies.get(index) == Some(&cookie)
    }
}
