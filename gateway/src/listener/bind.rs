//! Opens listening sockets: several on each address, so that every worker has its own queue.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::defaults::{LISTEN_BACKLOG, UNSENT_BYTES_MAX};

/// Opens `count` sockets on one address. Port 0 takes a free port, the same for all.
///
/// # Errors
/// The system's; `AddrInUse` when another process listens there. With `shared`, one of our own sockets
/// may hold the port, for instance on all addresses.
pub(crate) fn bind(addr: SocketAddr, count: usize, shared: bool) -> io::Result<Vec<TcpListener>> {
    let addr = if shared {
        addr
    } else {
        // A second process of the same user may bind a SO_REUSEPORT address without an error and take
        // half of the connections. A first bind without the option finds that out.
        local_addr(&socket(addr, false)?)?
    };
    bind_more(addr, count)
}

/// Opens `count` sockets on an address where sockets of ours listen already.
///
/// # Errors
/// The system's, for instance when those belong to another user.
pub(crate) fn bind_more(addr: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    (0..count)
        .map(|_| {
            let socket = socket(addr, true)?;
            socket.listen(LISTEN_BACKLOG)?;
            let socket = socket.into();
            prepare(&socket)?;
            Ok(socket)
        })
        .collect()
}

/// Sets what every connection of a socket is to have; Linux hands it down from the listening socket, so
/// that no system call a connection is spent on it.
///
/// # Errors
/// The system's.
pub(crate) fn prepare(socket: &TcpListener) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_nonblocking(true)?;
    // An answer is written whole: waiting for more to send would only delay it.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)
}

/// The sockets of an address that one of several workers accepts from. Each socket has an acceptor, and
/// each worker a socket: its own where there are enough of them.
pub(crate) fn share(
    sockets: &[TcpListener],
    worker: usize,
    workers: usize,
) -> impl Iterator<Item = &TcpListener> {
    let taken = move |index: usize| {
        if sockets.len() < workers {
            index == worker % sockets.len().max(1)
        } else {
            index % workers == worker
        }
    };
    let indexed = sockets.iter().enumerate();
    indexed
        .filter(move |(index, _)| taken(*index))
        .map(|(_, socket)| socket)
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
    use std::collections::BTreeSet;
    use std::net::TcpStream;

    use super::*;

    fn any_port() -> SocketAddr {
        "127.0.0.1:0".parse().expect("an address")
    }

    fn port(socket: &TcpListener) -> u16 {
        socket.local_addr().expect("bound").port()
    }

    #[test]
    fn every_worker_gets_a_socket_on_one_port() {
        let sockets = bind(any_port(), 3, false).expect("a free port");
        let ports: BTreeSet<_> = sockets.iter().map(port).collect();
        assert_eq!((sockets.len(), ports.len()), (3, 1));
    }

    #[test]
    fn a_port_that_another_gateway_holds_is_an_error() {
        let first = bind(any_port(), 2, false).expect("a free port");
        let addr = first[0].local_addr().expect("bound");
        let second = bind(addr, 2, false).expect_err("taken");
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
        bind(addr, 2, true).expect("our own may share it");
    }

    #[test]
    fn connections_inherit_what_their_listener_has() {
        let listener = bind(any_port(), 1, false).expect("a free port").remove(0);
        listener.set_nonblocking(false).expect("a socket");
        let addr = listener.local_addr().expect("bound");
        let _client = TcpStream::connect(addr).expect("somebody listens");
        let (accepted, _) = listener.accept().expect("a connection");
        assert!(accepted.nodelay().expect("a socket"));
        let unsent = SockRef::from(&accepted).tcp_notsent_lowat();
        assert_eq!(unsent.expect("a socket"), UNSENT_BYTES_MAX);
    }

    #[test]
    fn whatever_their_numbers_each_socket_has_an_acceptor_and_each_worker_a_socket() {
        let sockets = bind(any_port(), 6, false).expect("a free port");
        for (count, workers) in [(1, 1), (1, 4), (4, 4), (2, 5), (6, 4), (5, 2), (6, 1)] {
            let sockets = &sockets[..count];
            let mut acceptors = vec![0; count];
            for worker in 0..workers {
                let mut own = 0;
                for socket in share(sockets, worker, workers) {
                    let index = sockets.iter().position(|other| std::ptr::eq(other, socket));
                    acceptors[index.expect("one of them")] += 1;
                    own += 1;
                }
                assert!(own > 0, "worker {worker} of {workers} has none of {count}");
            }
            assert!(
                acceptors.iter().all(|&acceptors| acceptors > 0),
                "{count} sockets, {workers} workers: {acceptors:?}"
            );
        }
    }
}
