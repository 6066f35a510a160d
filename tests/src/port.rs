use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// A port of the loopback address that nobody listens at and no other process is given, for a server
/// that comes later, or goes and comes back.
///
/// The socket is bound, with `SO_REUSEADDR`, and never listens: connections are refused, and only who
/// asks for this very port, as the server does, gets it.
#[derive(Debug)]
pub struct HeldPort(TcpSocket);

impl HeldPort {
    /// # Panics
    /// When the machine has no port left.
    #[expect(clippy::new_without_default, reason = "takes a port of the machine")]
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Self(socket)
    }

    /// # Panics
    /// Never: the socket is bound.
    pub fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// # Panics
    /// Never: the socket is bound.
    pub fn port(&self) -> u16 {
        self.addr().port()
    }

    /// Listens from now on.
    pub(crate) fn listen(self) -> TcpListener {
        self.0.listen(64).unwrap()
    }
}
