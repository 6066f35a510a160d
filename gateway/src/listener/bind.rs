//! Opens listening sockets, one for each worker on each address.

use std::io;
use std::net::{SocketAddr, TcpListener};

use route_table::table::Listener;
use socket2::{Domain, Protocol, Socket, Type};

use crate::defaults::LISTEN_BACKLOG;

/// Sockets of one address, one a worker.
#[derive(Debug)]
pub(crate) struct Bound {
    /// The address with its real port.
    pub(crate) addr: SocketAddr,
    pub(crate) sockets: Vec<TcpListener>,
}

/// Why an address can't be listened on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    #[error(
        "listener `{listener}`: {addr} is in use by another process; stop it, or change `bind`"
    )]
    InUse { listener: String, addr: SocketAddr },
    #[error("listener `{listener}`: cannot listen on {addr}: {source}")]
    Refused {
        listener: String,
        addr: SocketAddr,
        source: io::Error,
    },
}

/// Binds every address of a listener `workers` times.
///
/// # Errors
/// The first address that can't be had.
pub(crate) fn bind(listener: &Listener, workers: usize) -> Result<Vec<Bound>, BindError> {
    listener
        .bind
        .iter()
        .map(|&addr| {
            bind_address(addr, workers).map_err(|source| {
                let listener = listener.name.to_string();
                match source.kind() {
                    io::ErrorKind::AddrInUse => BindError::InUse { listener, addr },
                    _ => BindError::Refused {
                        listener,
                        addr,
                        source,
                    },
                }
            })
        })
        .collect()
}

fn bind_address(addr: SocketAddr, workers: usize) -> io::Result<Bound> {
    // A second process of the same user may bind a SO_REUSEPORT address without an error and take half
    // of the connections. A first bind without the option finds that out.
    let probe = socket(addr, false)?;
    let addr = local_addr(&probe)?;
    drop(probe);
    let sockets = (0..workers)
        .map(|_| {
            let socket = socket(addr, true)?;
            socket.listen(LISTEN_BACKLOG)?;
            Ok(socket.into())
        })
        .collect::<io::Result<Vec<TcpListener>>>()?;
    Ok(Bound { addr, sockets })
}

fn socket(addr: SocketAddr, reuse_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        // `[::]` and `0.0.0.0` side by side: each takes its own family.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

fn local_addr(socket: &Socket) -> io::Result<SocketAddr> {
    socket
        .local_addr()?
        .as_socket()
        .ok_or_else(|| io::Error::other("not an IP socket"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any_port() -> SocketAddr {
        "127.0.0.1:0".parse().expect("an address")
    }

    #[test]
    fn every_worker_gets_a_socket_on_one_port() {
        let bound = bind_address(any_port(), 3).expect("a free port");
        let ports: Vec<_> = bound
            .sockets
            .iter()
            .map(|socket| socket.local_addr().expect("bound").port())
            .collect();
        assert_eq!(ports, [bound.addr.port(); 3]);
    }

    #[test]
    fn a_port_that_another_gateway_holds_is_an_error() {
        let first = bind_address(any_port(), 2).expect("a free port");
        let second = bind_address(first.addr, 2).expect_err("taken");
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
    }
}
