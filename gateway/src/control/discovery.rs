//! Follows a service's instances in the registry.

use std::sync::{Arc, Weak};
use std::time::Duration;

use ::discovery::{Instance, RegistryClient, Status, Watch};
use route_table::table::{EndpointAddress, EndpointSource};
use tokio::sync::oneshot;

use crate::balance::EndpointKey;
use crate::control::supervised;
use crate::telemetry::Metrics;
use crate::upstream::{Discovered, UpstreamState};

/// Resolves when an upstream's instances were heard of for the first time.
pub(crate) type FirstList = oneshot::Receiver<()>;

/// How often a task looks whether its upstream is still in the table.
const STILL_WANTED: Duration = Duration::from_secs(5);

/// Starts following the instances of an upstream that names a registry service.
pub(crate) fn follow(upstream: &Arc<UpstreamState>, metrics: &Metrics) -> Option<FirstList> {
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
        metrics.clone(),
    );
    drop(supervised("discovery", move || {
        let watch = Watch::start(client.clone(), &service);
        apply_changes(Weak::clone(&weak), watch, metrics.clone(), heard.take())
    }));
    Some(first_list)
}

async fn apply_changes(
    upstream: Weak<UpstreamState>,
    mut watch: Watch,
    metrics: Metrics,
    mut heard: Option<oneshot::Sender<()>>,
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
        if let Some(gone) = upstream.replace_endpoints(&found) {
            tracing::info!(upstream = %name, endpoints = found.len(), "endpoints changed");
            for endpoint in gone {
                metrics.forget_endpoint(name, &endpoint.authority);
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
    let suspect = match instance.status {
        Status::Up => false,
        Status::Suspect | Status::Draining => true,
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
        suspect,
    })
}
