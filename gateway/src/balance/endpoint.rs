//! One instance behind an upstream, with the measurements that all workers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::HeaderValue;
use route_table::table::EndpointAddress;

use crate::balance::instant::Instant;
use crate::balance::outlier::Failures;
use crate::balance::peak_ewma::PeakEwma;
use crate::balance::standing::Standing;
use crate::balance::success_rate::Tally;

/// What makes two endpoints the same one across discovery updates and reloads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct EndpointKey {
    pub(crate) address: EndpointAddress,
    /// Whether TLS is spoken.
    pub(crate) tls: bool,
}

impl EndpointKey {
    /// An endpoint without TLS; `host` is a name or an address, IPv6 without brackets.
    #[cfg(test)]
    pub(crate) fn http(host: &str, port: u16) -> Self {
        let host = host.into();
        Self {
            address: EndpointAddress::Tcp { host, port },
            tls: false,
        }
    }

    /// What `Host` calls it.
    fn authority(&self) -> String {
        match &self.address {
            EndpointAddress::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            EndpointAddress::Tcp { host, port } => format!("{host}:{port}"),
            EndpointAddress::Unix(_) => "localhost".to_owned(),
        }
    }

    /// One text for one endpoint, the same on every gateway: what is hashed in its stead.
    pub(super) fn identity(&self) -> String {
        match &self.address {
            EndpointAddress::Unix(path) => format!("unix:{path}"),
            EndpointAddress::Tcp { .. } if self.tls => format!("https://{}", self.authority()),
            EndpointAddress::Tcp { .. } => format!("http://{}", self.authority()),
        }
    }
}

/// An endpoint's address and state. The state is atomics only: no worker ever waits for another.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Unique in this process; what connection pools are keyed by.
    pub(crate) id: u64,
    pub(crate) key: EndpointKey,
    /// `host:port`, for the `Host` header.
    pub(crate) authority: Arc<str>,
    /// The authority as a header's value; `None` for a name that can't be one.
    pub(crate) host: Option<HeaderValue>,
    /// What log, metrics and the admin page call it: the authority, or a socket's path.
    pub(crate) name: Arc<str>,
    pub(crate) standing: Standing,
    pub(super) failures: Failures,
    traffic: Traffic,
}

/// What every request writes, away from what every selection reads: on one cache line, each write
/// would take the line from the other cores.
#[derive(Debug)]
#[repr(align(64))]
struct Traffic {
    in_flight: AtomicU32,
    latency: PeakEwma,
    tally: Tally,
}

impl Endpoint {
    /// An endpoint that was found at `now`.
    pub(crate) fn new(id: u64, key: EndpointKey, now: Instant) -> Self {
        let authority: Arc<str> = key.authority().into();
        let name = match key.address {
            EndpointAddress::Tcp { .. } => Arc::clone(&authority),
            EndpointAddress::Unix(_) => key.identity().into(),
        };
        Self {
            id,
            key,
            host: HeaderValue::from_str(&authority).ok(),
            authority,
            name,
            standing: Standing::new(now),
            failures: Failures::default(),
            traffic: Traffic {
                in_flight: AtomicU32::new(0),
                latency: PeakEwma::new(now),
                tally: Tally::default(),
            },
        }
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.traffic.in_flight.load(Ordering::Relaxed)
    }

    /// Time to response headers.
    pub(crate) fn latency(&self) -> &PeakEwma {
        &self.traffic.latency
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.traffic.tally
    }

    /// Counts one request until the guard is dropped, however it ends.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.traffic.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }
}

/// One request on its way to an endpoint.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Endpoint>);

impl InFlight {
    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.traffic.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::testing::endpoint;

    #[test]
    fn a_request_in_flight_is_counted_until_its_guard_is_dropped() {
        let endpoint = endpoint(1);
        let first = endpoint.begin();
        let second = endpoint.begin();
        assert_eq!(endpoint.in_flight(), 2);
        drop(first);
        drop(second);
        assert_eq!(endpoint.in_flight(), 0);
    }

    #[test]
    fn an_ipv6_authority_has_brackets() {
        let endpoint = Endpoint::new(1, EndpointKey::http("::1", 80), Instant(0));
        assert_eq!(&*endpoint.authority, "[::1]:80");
    }

    #[test]
    fn sockets_and_addresses_have_identities_of_their_own() {
        let unix = |path: &str| EndpointKey {
            address: EndpointAddress::Unix(path.into()),
            tls: false,
        };
        assert_ne!(unix("/run/a").identity(), unix("/run/b").identity());
        let http = EndpointKey::http("::1", 80);
        let https = EndpointKey {
            tls: true,
            ..http.clone()
        };
        assert_eq!(http.identity(), "http://[::1]:80");
        assert_eq!(https.identity(), "https://[::1]:80");
    }
}
