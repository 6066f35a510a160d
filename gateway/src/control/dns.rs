//! Looks up the names among an upstream's endpoints and keeps their addresses fresh.
//!
//! A name is asked for again shortly before its time to live ends, away from any request. When nobody
//! answers, the last addresses serve on. Names are found as the system finds them: `/etc/hosts` first,
//! then the servers and search domains of `/etc/resolv.conf`; edits of either are followed.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hickory_resolver::config::{LookupIpStrategy, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use route_table::table::{EndpointAddress, EndpointSource};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};

use crate::control::discovery::FirstList;
use crate::control::{Fingerprint, supervised};
use crate::defaults::{DNS_LOOKUP_PAUSE, DNS_LOOKUP_PAUSE_MAX, DNS_LOOKUP_TIMEOUT};
use crate::upstream::{Answer, UpstreamState};

/// How often a task looks whether its upstream is still in the table, and at the system's files.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Starts looking up the names among an upstream's endpoints, if there can be any. The receiver hears
/// when each was asked for once.
pub(super) fn follow(upstream: &Arc<UpstreamState>) -> Option<FirstList> {
    let may_have_names = match &upstream.config.endpoints {
        EndpointSource::Static(_) => !names_of(upstream).is_empty(),
        EndpointSource::Registry { .. } => true,
    };
    if !may_have_names {
        return None;
    }
    let (asked, first) = oneshot::channel();
    let mut asked = Some(asked);
    let weak = Arc::downgrade(upstream);
    let changed = Arc::clone(&upstream.endpoints_changed);
    drop(supervised("dns", move || {
        keep_fresh(Weak::clone(&weak), Arc::clone(&changed), asked.take())
    }));
    Some(first)
}

async fn keep_fresh(
    upstream: Weak<UpstreamState>,
    changed: Arc<Notify>,
    mut asked: Option<oneshot::Sender<()>>,
) {
    let mut resolver = None;
    let mut due = HashMap::new();
    loop {
        let Some(upstream) = upstream.upgrade() else {
            return;
        };
        let names = names_of(&upstream);
        upstream.names.retain(|name| names.contains(name));
        due.retain(|name, _| names.contains(name));
        if !names.is_empty() {
            look_up_due(&upstream, &names, &mut resolver, &mut due).await;
        }
        if let Some(asked) = asked.take() {
            // Nobody may be waiting any more: only the start does.
            let _ = asked.send(());
        }
        drop(upstream);
        let next = due.values().min().map_or(LOOK_AGAIN, |next: &Instant| {
            next.saturating_duration_since(Instant::now())
        });
        // Either way there is something to look at.
        drop(timeout(next.min(LOOK_AGAIN), changed.notified()).await);
    }
}

/// Looks up every name whose time has come, all at once, and publishes each answer as it comes.
async fn look_up_due(
    upstream: &UpstreamState,
    names: &HashSet<Arc<str>>,
    resolver: &mut Option<Resolver>,
    due: &mut HashMap<Arc<str>, Instant>,
) {
    let current = SystemFiles::now();
    if resolver.as_ref().is_none_or(|one| one.made_of != current) {
        *resolver = Some(Resolver::new(current));
        due.clear();
    }
    let Some(resolver) = resolver.as_ref() else {
        return;
    };
    let now = Instant::now();
    let is_due = |name: &&Arc<str>| due.get(*name).is_none_or(|due| *due <= now);
    let lookups = names.iter().filter(is_due).map(async |name| {
        let found = resolver.look_up(name).await;
        (Arc::clone(name), found)
    });
    let mut lookups: FuturesUnordered<_> = lookups.collect();
    while let Some((name, found)) = lookups.next().await {
        let time_to_live = found.as_ref().map_or(Duration::ZERO, |found| found.1);
        due.insert(Arc::clone(&name), Instant::now() + pause(time_to_live));
        let answer = found.map(|(addresses, _)| addresses).map_err(Arc::from);
        publish(upstream, &name, answer);
    }
}

fn publish(upstream: &UpstreamState, name: &Arc<str>, answer: Answer) {
    if !upstream.names.publish(name, answer.clone()) {
        if let Err(error) = answer {
            tracing::debug!(upstream = %upstream.config.name, %name, %error, "old addresses serve on");
        }
        return;
    }
    let upstream = &upstream.config.name;
    match answer {
        Ok(addresses) => tracing::info!(%upstream, %name, ?addresses, "name looked up"),
        Err(error) => tracing::warn!(%upstream, %name, %error, "name has no address"),
    }
}

/// How long an answer of this time to live is used: asked for again a little earlier, so that no
/// connect ever waits.
fn pause(time_to_live: Duration) -> Duration {
    (time_to_live - time_to_live / 10).clamp(DNS_LOOKUP_PAUSE, DNS_LOOKUP_PAUSE_MAX)
}

/// The endpoints that are names, not addresses.
fn names_of(upstream: &UpstreamState) -> HashSet<Arc<str>> {
    let endpoints = upstream.endpoints();
    let names = endpoints.iter().filter_map(|one| match &one.key.address {
        EndpointAddress::Tcp { host, .. } if host.parse::<IpAddr>().is_err() => {
            Some(Arc::clone(host))
        }
        EndpointAddress::Tcp { .. } | EndpointAddress::Unix(_) => None,
    });
    names.collect()
}

/// The versions of the files that say how names are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SystemFiles([Fingerprint; 2]);

impl SystemFiles {
    fn now() -> Self {
        Self(["/etc/hosts", "/etc/resolv.conf"].map(|path| Fingerprint::of(Path::new(path))))
    }
}

/// Finds names as the system does.
struct Resolver {
    hosts: Hosts,
    servers: Result<TokioResolver, String>,
    made_of: SystemFiles,
}

impl Resolver {
    fn new(made_of: SystemFiles) -> Self {
        // Without name servers `localhost` is still known.
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|error| {
            tracing::warn!(%error, "no name servers; only /etc/hosts is known");
            let config = ResolverConfig::default();
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        });
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
        // Answers are kept here, until they are asked for again.
        options.cache_size = 0;
        // Looked at before: a name with one family in the file needs no question for the other.
        options.use_hosts_file = ResolveHosts::Never;
        Self {
            hosts: Hosts::from_system().unwrap_or_default(),
            servers: builder.build().map_err(|error| error.to_string()),
            made_of,
        }
    }

    /// The addresses of a name and their time to live.
    async fn look_up(&self, name: &str) -> Result<(Arc<[IpAddr]>, Duration), String> {
        if let Some(addresses) = self.in_hosts(name) {
            return Ok((addresses, Duration::MAX));
        }
        let servers = self.servers.as_ref().map_err(Clone::clone)?;
        let lookup = timeout(DNS_LOOKUP_TIMEOUT, servers.lookup_ip(name))
            .await
            .map_err(|_| "no name server answered in time".to_owned())?
            .map_err(|error| error.to_string())?;
        let addresses: Arc<[IpAddr]> = lookup.iter().collect();
        if addresses.is_empty() {
            return Err("the name exists and has no address".to_owned());
        }
        let left = lookup
            .valid_until()
            .saturating_duration_since(std::time::Instant::now());
        Ok((addresses, left))
    }

    fn in_hosts(&self, name: &str) -> Option<Arc<[IpAddr]>> {
        let name = Name::from_utf8(name).ok()?;
        let find = |kind| {
            let query = Query::query(name.clone(), kind);
            self.hosts.lookup_static_host(&query)
        };
        let found = [RecordType::AAAA, RecordType::A].map(find);
        let records = found.iter().flatten().flat_map(|lookup| lookup.answers());
        let addresses: Arc<[IpAddr]> = records.filter_map(|record| record.data.ip_addr()).collect();
        Some(addresses).filter(|addresses| !addresses.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(endpoints: &str) -> Arc<UpstreamState> {
        let text = format!(
            "version: 1\nlisteners: [{{ bind: '127.0.0.1:0' }}]\n\
             upstreams: {{ a: {{ endpoints: [{endpoints}] }} }}\n\
             routes: [{{ match: {{ prefix: / }}, to: {{ upstream: a }} }}]\n"
        );
        let table = crate::routing::table_for_test(&text);
        Arc::new(UpstreamState::new(
            table.upstreams[0].clone(),
            None,
            None,
            crate::balance::Instant(1),
        ))
    }

    #[test]
    fn addresses_and_sockets_are_not_looked_up() {
        let upstream = upstream("'http://127.0.0.1:1', 'http://[::1]:1', 'unix:/run/app.sock'");
        assert!(follow(&upstream).is_none(), "no task is started");
    }

    #[tokio::test]
    async fn localhost_is_known_without_any_server() {
        let upstream = upstream("'http://localhost:1'");
        let first = follow(&upstream).expect("there is a name");
        first.await.expect("it was asked for");
        let answer = upstream.names.addresses("localhost").await;
        let addresses = answer.expect("its addresses");
        assert!(addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
    }

    #[test]
    fn the_hosts_file_answers_before_any_server() {
        let mut hosts = Hosts::default();
        hosts
            .read_hosts_conf(&b"10.0.0.7 shop.test\n10.0.0.8 shop.test other.test\n"[..])
            .expect("a hosts file");
        let resolver = Resolver {
            hosts,
            servers: Err("no servers".to_owned()),
            made_of: SystemFiles::now(),
        };
        let found = resolver.in_hosts("shop.test").expect("addresses");
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.0.0.7", "10.0.0.8"]);
        assert_eq!(resolver.in_hosts("unknown.test"), None);
    }

    #[test]
    fn names_are_asked_for_again_before_their_time_is_up() {
        assert_eq!(pause(Duration::from_secs(100)), Duration::from_secs(90));
        assert_eq!(pause(Duration::ZERO), DNS_LOOKUP_PAUSE);
        assert_eq!(pause(Duration::MAX), DNS_LOOKUP_PAUSE_MAX);
    }
}
