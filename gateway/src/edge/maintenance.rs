//! Rows that are closed for a while.

use std::net::IpAddr;

use route_table::table::Route;

use crate::respond::Failure;

/// Whether the table has closed the route to this client.
pub(crate) fn check(route: &Route, client: IpAddr) -> Result<(), Failure> {
    match &route.policy.maintenance {
        Some(maintenance) if maintenance.refuses(client) => Err(Failure::Maintenance {
            retry_after: maintenance.retry_after,
        }),
        _ => Ok(()),
    }
}
