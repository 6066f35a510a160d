//! Follows a service's instances in the registry.

use std::sync::{Arc, Weak};
use std::time::Duration;

use ::discovery::{Instance, RegistryClient, Status, Watch};
use route_table::defaults::WEIGHT_MAX;
use route_table::table::{EndpointAddress, EndpointSource};
use tokio::sync::oneshot;

use crate::balance::{Doubt, EndpointKey};
use crate::control::supervised;
use crate::state::{Clock, GatewayState};
use crate::telemetry::Metrics;
use crate::upstream::{Discovered, UpstreamState};

/// Resolves when an upstream's instances were heard of for the first time.
pub(crate) type FirstList = oneshot::Receiver<()>;

/// How often a task looks whether its upstream is still in the table.
const STILL_WANTED: Duration = Duration::from_secs(5);

/// Starts following the instances of an upstream that names a registry service.
pub(crate) fn follow(upstream: &Arc<UpstreamState>, gateway: &GatewayState) -> Option<FirstList> {
    let EndpointSource::Registry { service } = &upstream.config.endpoints else {
        return None;
    };
    let registry = upstream.registry.clone()?;
    let client = match RegistryClient::new(&registry) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%registry, %error, "registry cannot be used");
            return None;
        }
    };
    let (heard, first_list) = oneshot::channel();
    let mut heard = Some(heard);
    let (weak, service, metrics) = (
        Arc::downgrade(upstream),
        Arc::clone(service),
        gateway.metrics.clone(),
    );
    let clock = gateway.clock;
    drop(supervised("discovery", move || {
        let watch = Watch::start(client.clone(), &service);
        let news = (watch, heard.take());
        apply_changes(Weak::clone(&weak), news, metrics.clone(), clock)
    }));
    Some(first_list)
}

async fn apply_changes(
    upstream: Weak<UpstreamState>,
    (mut watch, mut heard): (Watch, Option<oneshot::Sender<()>>),
    metrics: Metrics,
    clock: Clock,
) {
    loop {
        let changed = tokio::time::timeout(STILL_WANTED, watch.changed())
            .await
            .is_ok();
        let Some(upstream) = upstream.upgrade() else {
            return;
        };
        if !changed {
            continue;
        }
        let found: Vec<_> = watch.instances().iter().filter_map(discovered).collect();
        let name = &upstream.config.name;
        if let Some(gone) = upstream.replace_endpoints(&found, clock.now()) {
            tracing::info!(upstream = %name, endpoints = found.len(), "endpoints changed");
            for endpoint in gone {
                metrics.forget_endpoint(name, &endpoint.name);
            }
        }
        if let Some(heard) = heard.take() {
            // Nobody may be waiting any more: only the start does.
            let _ = heard.send(());
        }
    }
}

/// An instance as an endpoint. Draining and suspect ones serve when nothing better is left; those that
/// say they are down do not.
fn discovered(instance: &Instance) -> Option<Discovered> {
    let doubt = match instance.status {
        Status::Up => None,
        Status::Suspect => Some(Doubt::LeaseExpired),
        Status::Draining => Some(Doubt::Draining),
        Status::Down => return None,
    };
    let host = instance.addr.trim_matches(['[', ']']);
    Some(Discovered {
        key: EndpointKey {
            address: EndpointAddress::Tcp {
                host: host.into(),
                port: instance.port,
            },
            tls: instance.scheme == "https",
        },
        weight: instance.weight.clamp(1, WEIGHT_MAX),
        zone: instance.zone.as_deref().map(Arc::from),
        priority: 0,
        doubt,
    })
}
