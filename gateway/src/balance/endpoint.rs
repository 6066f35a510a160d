//! One instance behind an upstream, with the measurements that all workers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use route_table::table::EndpointAddress;

use crate::balance::peak_ewma::PeakEwma;

/// Nanoseconds since the process started: small enough for an atomic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Instant(pub(crate) u64);

impl Instant {
    /// The instant `duration` later; saturates after 584 years.
    pub(crate) fn after(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

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

    /// What `Host`, log and metrics call it.
    fn authority(&self) -> String {
        match &self.address {
            EndpointAddress::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            EndpointAddress::Tcp { host, port } => format!("{host}:{port}"),
            EndpointAddress::Unix(_) => "localhost".to_owned(),
        }
    }
}

/// An endpoint's address and state. The state is atomics only: no worker ever waits for another.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Unique in this process; what connection pools are keyed by.
    pub(crate) id: u64,
    pub(crate) key: EndpointKey,
    /// `host:port`, for the `Host` header, log and metrics.
    pub(crate) authority: Arc<str>,
    pub(crate) latency: PeakEwma,
    in_flight: AtomicU32,
    consecutive_failures: AtomicU32,
    ejected_until: AtomicU64,
    ejections: AtomicU32,
    /// Verdict of active checks; true until they say otherwise.
    healthy: AtomicBool,
    /// Marked by discovery as doubtful: used when nothing better is left.
    suspect: AtomicBool,
}

impl Endpoint {
    pub(crate) fn new(id: u64, key: EndpointKey) -> Self {
        Self {
            id,
            authority: key.authority().into(),
            key,
            latency: PeakEwma::new(),
            in_flight: AtomicU32::new(0),
            consecutive_failures: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            ejections: AtomicU32::new(0),
            healthy: AtomicBool::new(true),
            suspect: AtomicBool::new(false),
        }
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts one request until the guard is dropped, however it ends.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    pub(crate) fn is_ejected(&self, now: Instant) -> bool {
        self.ejected_until.load(Ordering::Relaxed) > now.0
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    pub(crate) fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Relaxed)
    }

    pub(crate) fn set_suspect(&self, suspect: bool) {
        self.suspect.store(suspect, Ordering::Relaxed);
    }

    /// Takes the verdict of active checks. Good health also ends an ejection: a restarted instance
    /// should not wait for its sentence to pass. Returns whether the verdict changed.
    pub(crate) fn set_healthy(&self, healthy: bool) -> bool {
        if healthy {
            self.reinstate();
        }
        self.healthy.swap(healthy, Ordering::Relaxed) != healthy
    }

    /// Ends an ejection and forgets the failures that led to it.
    pub(crate) fn reinstate(&self) {
        self.ejected_until.store(0, Ordering::Relaxed);
        self.consecutive_failures.store(0, Ordering::Relaxed);
    }

    pub(crate) fn record_success(&self) {
        // The load keeps the common case from writing to a line that other cores read.
        if self.consecutive_failures.load(Ordering::Relaxed) != 0 {
            self.consecutive_failures.store(0, Ordering::Relaxed);
        }
    }

    /// Counts a failure and returns how many there are in a row.
    pub(super) fn count_failure(&self) -> u32 {
        self.consecutive_failures.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn eject(&self, now: Instant, base: Duration, longest: Duration) {
        let nth = self.ejections.fetch_add(1, Ordering::Relaxed) + 1;
        let sentence = base.saturating_mul(nth).min(longest);
        self.ejected_until
            .store(now.after(sentence).0, Ordering::Relaxed);
        self.consecutive_failures.store(0, Ordering::Relaxed);
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
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
pub(super) fn endpoint_for_test(id: u64) -> Arc<Endpoint> {
    let port = u16::try_from(7000 + id).expect("a small id");
    Arc::new(Endpoint::new(id, EndpointKey::http("127.0.0.1", port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_in_flight_is_counted_until_its_guard_is_dropped() {
        let endpoint = endpoint_for_test(1);
        let first = endpoint.begin();
        let second = endpoint.begin();
        assert_eq!(endpoint.in_flight(), 2);
        drop(first);
        drop(second);
        assert_eq!(endpoint.in_flight(), 0);
    }

    #[test]
    fn an_ipv6_authority_has_brackets() {
        let endpoint = Endpoint::new(1, EndpointKey::http("::1", 80));
        assert_eq!(&*endpoint.authority, "[::1]:80");
    }

    #[test]
    fn a_passed_active_check_ends_an_ejection() {
        let endpoint = endpoint_for_test(1);
        endpoint.eject(
            Instant(0),
            Duration::from_secs(30),
            Duration::from_secs(300),
        );
        assert!(endpoint.is_ejected(Instant(1)));
        endpoint.set_healthy(true);
        assert!(!endpoint.is_ejected(Instant(1)));
    }
}
