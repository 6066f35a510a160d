//! `/upstreams`: every endpoint, what it is fit for, why, and since when.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State as Shared;
use route_table::table::UpstreamId;
use serde::Serialize;

use crate::admin::state_pages::Items;
use crate::balance::{Instant, Member, State, is_in_panic};
use crate::state::GatewayState;
use crate::upstream::UpstreamState;

/// An upstream with its endpoints.
#[derive(Debug, Serialize)]
pub(super) struct UpstreamPage {
    name: Arc<str>,
    /// So few endpoints are usable that all are used.
    panic: bool,
    endpoints: Vec<EndpointPage>,
    /// Present where a route mirrors to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    mirror: Option<MirrorPage>,
}

/// An upstream as a mirror.
#[derive(Debug, Serialize)]
struct MirrorPage {
    /// Copies that wait for it or are under way.
    copies: u32,
    /// Copies in a row that it has not answered.
    failures_in_a_row: u32,
    /// Until when it gets none because it has failed, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_until: Option<String>,
}

#[derive(Debug, Serialize)]
struct EndpointPage {
    endpoint: Arc<str>,
    weight: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<Arc<str>>,
    priority: u8,
    state: &'static str,
    /// Why it is not `available`.
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    /// When the state began, UTC.
    since: String,
    /// When an ejection ends, or a connection is tried again, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    in_flight: u32,
}

pub(super) async fn upstreams(
    Shared(gateway): Shared<Arc<GatewayState>>,
) -> Json<Items<UpstreamPage>> {
    let snapshot = gateway.snapshot.load_full();
    let moment = Moment {
        now: gateway.clock.now(),
        time: SystemTime::now(),
    };
    let routes = snapshot.table.routes.iter();
    let mirrors: HashSet<_> = routes
        .filter_map(|route| Some(route.policy.mirror?.upstream))
        .collect();
    let page = |(index, upstream): (usize, &Arc<UpstreamState>)| {
        let id = u32::try_from(index).map(UpstreamId);
        let is_mirror = id.is_ok_and(|id| mirrors.contains(&id));
        page(upstream, is_mirror, moment)
    };
    Json(Items {
        generation: snapshot.generation,
        items: snapshot.upstreams.iter().enumerate().map(page).collect(),
    })
}

fn page(upstream: &UpstreamState, is_mirror: bool, moment: Moment) -> UpstreamPage {
    let set = upstream.endpoints();
    let mirror = is_mirror.then(|| MirrorPage {
        copies: upstream.mirror.pending(),
        failures_in_a_row: upstream.mirror.failures_in_a_row(),
        paused_until: upstream
            .mirror
            .paused_until(moment.now)
            .map(|until| moment.text_of(until)),
    });
    UpstreamPage {
        mirror,
        name: Arc::clone(&upstream.config.name),
        panic: is_in_panic(&set, moment.now),
        endpoints: set
            .members()
            .iter()
            .map(|one| endpoint(one, moment))
            .collect(),
    }
}

fn endpoint(member: &Member, moment: Moment) -> EndpointPage {
    let endpoint = &member.endpoint;
    let (state, since) = endpoint.standing.state(moment.now);
    EndpointPage {
        endpoint: Arc::clone(&endpoint.name),
        weight: member.weight,
        zone: member.zone.clone(),
        priority: member.priority,
        state: state.as_str(),
        reason: state.to_string(),
        since: moment.text_of(since),
        until: match state {
            State::Ejected { until, .. } | State::Unreachable { until, .. } => {
                Some(moment.text_of(until))
            }
            State::Unhealthy { .. } | State::Suspect(_) | State::Available => None,
        },
        in_flight: endpoint.in_flight(),
    }
}

/// One moment by both clocks: what ours counts is turned into what people read.
#[derive(Debug, Clone, Copy)]
struct Moment {
    now: Instant,
    time: SystemTime,
}

impl Moment {
    fn text_of(self, instant: Instant) -> String {
        let (ahead, ago) = (instant.since(self.now), self.now.since(instant));
        let time = self.time.checked_add(ahead);
        let time = time.and_then(|time| time.checked_sub(ago));
        let seconds = time
            .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
            .and_then(|since_1970| i64::try_from(since_1970.as_secs()).ok());
        let stamp = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
        stamp.unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
    }
}

/// Counts endpoints by state and connections just before the metrics are read: cheaper than at every
/// change.
pub(super) fn refresh_gauges(gateway: &GatewayState) {
    let snapshot = gateway.snapshot.load();
    let (metrics, now) = (&gateway.metrics, gateway.clock.now());
    for upstream in &snapshot.upstreams {
        let name = &upstream.config.name;
        metrics.set_upstream_connections(name, upstream.open_connections.count());
        let set = upstream.endpoints();
        metrics.set_panic(name, is_in_panic(&set, now));
        for state in State::NAMES {
            let is_in_it = |one: &&Member| one.endpoint.standing.state(now).0.as_str() == state;
            let count = set.members().iter().filter(is_in_it).count();
            metrics.set_endpoints(name, state, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_before_and_after_now_are_told_as_people_do() {
        let moment = Moment {
            now: Instant(100_000_000_000),
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000),
        };
        assert_eq!(moment.text_of(moment.now), "1970-01-12T13:46:40Z");
        let earlier = Instant(40_000_000_000);
        assert_eq!(moment.text_of(earlier), "1970-01-12T13:45:40Z");
        let later = moment.now.after(Duration::from_secs(30));
        assert_eq!(moment.text_of(later), "1970-01-12T13:47:10Z");
    }
}
