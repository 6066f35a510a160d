//! What the gateway is doing now, as JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use route_table::table::Stage;
use serde::Serialize;

use crate::auth::OwnIssuer;
use crate::migration;
use crate::state::GatewayState;

#[derive(Debug, Serialize)]
pub(super) struct Items<T> {
    pub(super) generation: u64,
    pub(super) items: Vec<T>,
}

/// Where to go from here.
pub(super) async fn index() -> Json<serde_json::Value> {
    Json(serde_json::json!({
        "links": ["/livez", "/readyz", "/metrics", "/jwks", "/migrations", "/upstreams", "/cache", "/explain"],
    }))
}

/// The keys by which tokens of the gateway's own are verified; none where it makes none.
pub(super) async fn jwks(State(gateway): State<Arc<GatewayState>>) -> Json<serde_json::Value> {
    let snapshot = gateway.snapshot.load_full();
    let issuer = snapshot.authenticators.issuer();
    Json(issuer.map_or_else(|| serde_json::json!({ "keys": [] }), OwnIssuer::public_keys))
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
