//! Who listens where, and whether those ports are free.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use anyhow::{Context as _, bail};

/// How many ports the demo takes.
const COUNT: usize = 15;

/// What stands between `--port-base` and each port.
const OFFSETS: [u16; COUNT] = [0, 1, 2, 3, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20];

/// The ports that README and `routes.yaml` name.
const DEFAULTS: [u16; COUNT] = [
    8443, 8080, 8081, 9901, 7000, 7001, 7002, 7003, 7004, 7005, 7006, 7007, 7008, 7009, 7010,
];

/// One port for each listening socket of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) edge: u16,
    pub(crate) redirect: u16,
    pub(crate) internal: u16,
    pub(crate) admin: u16,
    pub(crate) registry: u16,
    pub(crate) legacy_shop: u16,
    pub(crate) legacy_adapter: u16,
    pub(crate) identity: u16,
    pub(crate) customer: u16,
    pub(crate) catalog_1: u16,
    pub(crate) catalog_2: u16,
    pub(crate) order: u16,
    pub(crate) inventory: u16,
    pub(crate) bff_web: u16,
    pub(crate) bff_mobile: u16,
}

impl Ports {
    /// The usual ports, or all of them moved to `base` and above.
    pub(crate) fn new(base: Option<u16>) -> Self {
        match base {
            None => Self::from_list(DEFAULTS),
            Some(base) => Self::from_list(OFFSETS.map(|offset| base + offset)),
        }
    }

    /// Ports that nobody uses at this moment.
    ///
    /// # Errors
    /// When this machine has none left.
    pub(crate) fn free() -> anyhow::Result<Self> {
        free().map(Self::from_list)
    }

    fn from_list(list: [u16; COUNT]) -> Self {
        let [
            edge,
            redirect,
            internal,
            admin,
            registry,
            legacy_shop,
            legacy_adapter,
            identity,
            customer,
            catalog_1,
            catalog_2,
            order,
            inventory,
            bff_web,
            bff_mobile,
        ] = list;
        Self {
            edge,
            redirect,
            internal,
            admin,
            registry,
            legacy_shop,
            legacy_adapter,
            identity,
            customer,
            catalog_1,
            catalog_2,
            order,
            inventory,
            bff_web,
            bff_mobile,
        }
    }

    fn named(&self) -> [(&'static str, u16); COUNT] {
        [
            ("the gateway's edge (https)", self.edge),
            ("the gateway's redirect (http)", self.redirect),
            ("the gateway's internal listener", self.internal),
            ("the gateway's admin listener", self.admin),
            ("registry", self.registry),
            ("legacy-shop", self.legacy_shop),
            ("legacy-adapter", self.legacy_adapter),
            ("identity", self.identity),
            ("customer", self.customer),
            ("catalog (first instance)", self.catalog_1),
            ("catalog (second instance)", self.catalog_2),
            ("order", self.order),
            ("inventory", self.inventory),
            ("bff-web", self.bff_web),
            ("bff-mobile", self.bff_mobile),
        ]
    }

    /// Makes sure that every port can be listened on, before anything is started.
    ///
    /// # Errors
    /// The first port that is taken, who wanted it, and what to do.
    pub(crate) fn check_free(&self) -> anyhow::Result<()> {
        for (wanted_by, port) in self.named() {
            for address in loopback() {
                match TcpListener::bind((address, port)) {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::AddrInUse => bail!(
                        "port {port} is in use, and {wanted_by} wants it: stop what listens there, \
                         or move all ports with --port-base N"
                    ),
                    Err(error) => {
                        return Err(error).with_context(|| {
                            format!(
                                "{wanted_by} cannot listen on {}",
                                SocketAddr::new(address, port)
                            )
                        });
                    }
                }
            }
        }
        Ok(())
    }
}

/// The loopback addresses that this machine has; containers often lack `::1`.
fn loopback() -> Vec<IpAddr> {
    let mut found = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    if has_ipv6() {
        found.push(IpAddr::V6(Ipv6Addr::LOCALHOST));
    }
    found
}

/// Whether `::1` can be listened on.
pub(crate) fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// Ports that nobody uses at this moment.
///
/// # Errors
/// When this machine has none left.
pub(crate) fn free<const N: usize>() -> anyhow::Result<[u16; N]> {
    // All are held until the last is found, so that no port is given out twice.
    let mut held = Vec::with_capacity(N);
    let mut list = [0; N];
    for port in &mut list {
        let (found, sockets) = free_on_loopback()?;
        *port = found;
        held.push(sockets);
    }
    Ok(list)
}

/// A port that is free on all loopback addresses, with the sockets that hold it.
fn free_on_loopback() -> anyhow::Result<(u16, Vec<TcpListener>)> {
    const TRIES: usize = 100;
    for _ in 0..TRIES {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
        let port = first.local_addr()?.port();
        if !has_ipv6() {
            return Ok((port, vec![first]));
        }
        if let Ok(second) = TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
            return Ok((port, vec![first, second]));
        }
    }
    bail!("no port is free on both 127.0.0.1 and ::1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_base_moves_all_ports() {
        let ports = Ports::new(Some(20_000));
        assert_eq!(
            (ports.edge, ports.redirect, ports.internal, ports.admin),
            (20_000, 20_001, 20_002, 20_003)
        );
        assert_eq!(
            (ports.registry, ports.legacy_shop, ports.bff_mobile),
            (20_010, 20_011, 20_020)
        );
    }

    #[test]
    fn no_two_processes_share_a_port() {
        for ports in [
            Ports::new(None),
            Ports::new(Some(1024)),
            Ports::free().expect("free ports"),
        ] {
            let mut list = ports.named().map(|(_, port)| port).to_vec();
            list.sort_unstable();
            list.dedup();
            assert_eq!(list.len(), COUNT);
        }
    }

    #[test]
    fn a_busy_port_is_named_with_its_user_and_the_way_out() {
        let ports = Ports::free().expect("free ports");
        let busy =
            TcpListener::bind((Ipv4Addr::LOCALHOST, ports.order)).expect("free a moment ago");
        let message = ports
            .check_free()
            .expect_err("one port is taken")
            .to_string();
        assert!(message.contains(&ports.order.to_string()), "{message}");
        assert!(message.contains("order wants it"), "{message}");
        assert!(message.contains("--port-base"), "{message}");
        drop(busy);
    }
}
