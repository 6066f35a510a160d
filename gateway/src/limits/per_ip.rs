//! The coarse limit of a listener, per client address, before authentication.
//!
//! Unlike the limits of [`super::Limiters`] it belongs to no route and announces nothing: it is there
//! so that one address can't keep a worker busy with signatures.

use std::net::IpAddr;
use std::time::Instant;

use route_table::table::Rate;

use super::buckets::Buckets;
use super::gcra::Verdict;
use super::key::ip_key;

/// One bucket for each client address; IPv6 by its /64.
#[derive(Debug)]
pub(crate) struct PerIp {
    buckets: Buckets,
}

impl PerIp {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            buckets: Buckets::new(rate),
        }
    }

    pub(crate) fn check(&self, client: IpAddr, now: Instant) -> Verdict {
        self.buckets.check(ip_key(client), now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_address_is_limited_and_its_neighbour_is_not() {
        let limit = PerIp::new(Rate {
            count: 2,
            period: Duration::from_secs(1),
            burst: 2,
        });
        let now = Instant::now();
        let first = "2001:db8::1".parse().unwrap();
        let same_network = "2001:db8::2".parse().unwrap();
        let neighbour = "2001:db8:0:1::1".parse().unwrap();
        assert!(limit.check(first, now).allowed);
        assert!(limit.check(same_network, now).allowed);
        let refused = limit.check(first, now);
        assert!(!refused.allowed);
        assert_eq!(refused.retry_after, Duration::from_millis(500));
        assert!(limit.check(neighbour, now).allowed);
    }
}
