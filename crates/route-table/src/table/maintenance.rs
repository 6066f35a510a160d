//! Rows that are closed for a while.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

/// `maintenance:` of a route or of the whole table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Maintenance {
    /// When clients are told to come back; default 5 min.
    pub retry_after: Duration,
    /// Who is let in nevertheless; nobody by default.
    pub except: Vec<IpNet>,
}

impl Maintenance {
    /// Whether the row is closed to this client.
    #[must_use]
    pub fn refuses(&self, client: IpAddr) -> bool {
        !self.except.iter().any(|network| network.contains(&client))
    }
}
