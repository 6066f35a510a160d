//! What the gateway is doing now, as JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use route_table::table::Stage;
use serde::Serialize;

use crate::balance::Endpoint;
use crate::migration;
use crate::state::GatewayState;

#[derive(Debug, Serialize)]
pub(super) struct Items<T> {
    generation: u64,
    items: Vec<T>,
}

/// Where to go from here.
pub(super) async fn index() -> Json<serde_json::Value> {
    Json(serde_json::json!({
        "links": ["/livez", "/readyz", "/metrics", "/migrations", "/upstreams"],
    }))
}

/// A group of URIs and who serves it.
#[derive(Debug, Serialize)]
pub(super) struct MigrationPage {
    group: Arc<str>,
    stage: &'static str,
    from: Arc<str>,
    to: Arc<str>,
    /// The upstream that answers now.
    serving: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    portal: Option<PortalPage>,
}

#[derive(Debug, Serialize)]
struct PortalPage {
    title: Arc<str>,
    monolith: Arc<str>,
    service: Arc<str>,
    /// The one of the two that the menu should show now.
    uri: Arc<str>,
}

pub(super) async fn migrations(
    State(gateway): State<Arc<GatewayState>>,
) -> Json<Items<MigrationPage>> {
    let snapshot = gateway.snapshot.load_full();
    let name = |id| Arc::clone(&snapshot.table.upstream(id).name);
    let page = |row: &route_table::table::Migration| MigrationPage {
        group: Arc::clone(&row.name),
        stage: row.stage.as_str(),
        from: name(row.from),
        to: name(row.to),
        serving: name(migration::serving_upstream(row)),
        portal: row.portal.as_ref().map(|entry| PortalPage {
            title: Arc::clone(&entry.title),
            monolith: Arc::clone(&entry.monolith),
            service: Arc::clone(&entry.service),
            uri: Arc::clone(match row.stage {
                Stage::Monolith => &entry.monolith,
                Stage::Service => &entry.service,
            }),
        }),
    };
    let items = snapshot.table.migrations.iter().map(page).collect();
    Json(Items {
        generation: snapshot.generation,
        items,
    })
}

/// An upstream with its endpoints.
#[derive(Debug, Serialize)]
pub(super) struct UpstreamPage {
    name: Arc<str>,
    endpoints: Vec<EndpointPage>,
}

#[derive(Debug, Serialize)]
struct EndpointPage {
    endpoint: Arc<str>,
    state: &'static str,
    in_flight: u32,
}

pub(super) async fn upstreams(
    State(gateway): State<Arc<GatewayState>>,
) -> Json<Items<UpstreamPage>> {
    let snapshot = gateway.snapshot.load_full();
    let now = gateway.clock.now();
    let items = snapshot
        .upstreams
        .iter()
        .map(|upstream| UpstreamPage {
            name: Arc::clone(&upstream.config.name),
            endpoints: upstream
                .endpoints()
                .iter()
                .map(|endpoint| EndpointPage {
                    endpoint: Arc::clone(&endpoint.authority),
                    state: state_of(endpoint, now),
                    in_flight: endpoint.in_flight(),
                })
                .collect(),
        })
        .collect();
    Json(Items {
        generation: snapshot.generation,
        items,
    })
}

/// The first reason not to use an endpoint, or `available`.
fn state_of(endpoint: &Endpoint, now: crate::balance::Instant) -> &'static str {
    if endpoint.is_ejected(now) {
        "ejected"
    } else if !endpoint.is_healthy() {
        "unhealthy"
    } else if endpoint.is_suspect() {
        "suspect"
    } else {
        "available"
    }
}

/// Counts endpoints by state and connections just before the metrics are read: cheaper than at every change.
pub(super) fn refresh_endpoint_gauges(gateway: &GatewayState) {
    let snapshot = gateway.snapshot.load();
    let now = gateway.clock.now();
    for upstream in &snapshot.upstreams {
        let name = &upstream.config.name;
        let connections = upstream.open_connections.count();
        gateway.metrics.set_upstream_connections(name, connections);
        let endpoints = upstream.endpoints();
        for state in ["available", "ejected", "unhealthy", "suspect"] {
            let count = endpoints
                .iter()
                .filter(|one| state_of(one, now) == state)
                .count();
            gateway.metrics.set_endpoints(name, state, count);
        }
    }
}
