//! Who may use a row, by address.

use std::net::IpAddr;

use ipnet::IpNet;

/// `client_ip:` of a route.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientNetworks {
    /// Nobody else may; empty: anybody may who is not denied.
    pub allow: Vec<IpNet>,
    /// They may not, also where `allow` has them.
    pub deny: Vec<IpNet>,
}

impl ClientNetworks {
    /// Whether this client may use the row.
    #[must_use]
    pub fn admits(&self, client: IpAddr) -> bool {
        let is_in = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&client));
        !is_in(&self.deny) && (self.allow.is_empty() || is_in(&self.allow))
    }
}
