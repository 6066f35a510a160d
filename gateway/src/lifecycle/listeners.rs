//! The open listening sockets, and how they follow the table.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use route_table::Table;
use route_table::table::{Listener, ListenerTls};
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::lifecycle::{Inherited, Label};
use crate::listener::{Acceptor, CertificateError, Certificates, bind, bind_more, prepare};

/// Why a listener can't be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    #[error(
        "listener `{listener}`: {addr} is in use by another process; stop it, or change `bind`"
    )]
    InUse {
        listener: Arc<str>,
        addr: SocketAddr,
    },
    #[error("listener `{listener}`: cannot listen on {addr}: {source}")]
    Refused {
        listener: Arc<str>,
        addr: SocketAddr,
        source: io::Error,
    },
    #[error("listener `{listener}`: {source}")]
    Certificate {
        listener: Arc<str>,
        source: CertificateError,
    },
}

/// One address that is listened on, by all workers.
pub(super) struct OpenAddress {
    /// Never used twice in a process.
    pub(super) id: u64,
    /// How connections that come from now on are treated.
    pub(super) acceptor: Arc<ArcSwap<Acceptor>>,
    /// Ends its accepting and announces the end on its connections.
    pub(super) closing: CancellationToken,
    /// The originals; workers accept from duplicates.
    pub(super) sockets: Vec<TcpListener>,
    /// As the table writes it, port 0 included.
    bind: SocketAddr,
    /// Where it really is.
    addr: SocketAddr,
    /// From the service manager, by the listener's name.
    activated: bool,
}

impl OpenAddress {
    /// Whether it is what a listener asks for by `bind`. Port 0 is a port of its own for each.
    fn serves(&self, listener: &str, bind: SocketAddr) -> bool {
        !self.activated
            && self.bind == bind
            && (bind.port() != 0 || *self.acceptor.load().listener == *listener)
    }

    fn label(&self) -> Label {
        Label::Listener {
            name: self.acceptor.load().listener.to_string(),
            bind: self.bind,
            activated: self.activated,
        }
    }
}

impl fmt::Debug for OpenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listener = &self.acceptor.load().listener;
        f.debug_struct("OpenAddress")
            .field("listener", listener)
            .field("addr", &self.addr)
            .field("sockets", &self.sockets.len())
            .finish_non_exhaustive()
    }
}

/// A certificate pair, and what a handshake needs of it.
#[derive(Debug, Clone)]
struct Tls {
    certificates: Arc<Certificates>,
    config: Arc<ServerConfig>,
}

/// The gateway's listeners. The control thread opens and closes; workers follow.
#[derive(Debug)]
pub(crate) struct Listeners {
    workers: usize,
    /// Cancelled when all of it is to end.
    draining: CancellationToken,
    next_id: AtomicU64,
    open: watch::Sender<Vec<Arc<OpenAddress>>>,
    tls: Mutex<HashMap<ListenerTls, Tls>>,
}

/// What is to be open once a table applies; its new sockets are open already.
#[derive(Debug)]
pub(crate) struct Plan {
    addresses: Vec<(Arc<OpenAddress>, Acceptor)>,
    tls: HashMap<ListenerTls, Tls>,
}

impl Listeners {
    /// None are open yet. All of them end when `draining` is cancelled.
    pub(crate) fn new(workers: usize, draining: CancellationToken) -> Self {
        Self {
            workers,
            draining,
            next_id: AtomicU64::new(1),
            open: watch::Sender::new(Vec::new()),
            tls: Mutex::new(HashMap::new()),
        }
    }

    pub(crate) fn workers(&self) -> usize {
        self.workers
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Vec<Arc<OpenAddress>>> {
        self.open.subscribe()
    }

    /// The certificates in use, to be followed.
    pub(crate) fn certificates(&self) -> Vec<Arc<Certificates>> {
        let tls = self.tls.lock();
        tls.values()
            .map(|tls| Arc::clone(&tls.certificates))
            .collect()
    }

    /// Opens what a table asks for beyond what is open. Nothing else changes until [`Listeners::apply`];
    /// a plan that is dropped closes its new sockets.
    ///
    /// # Errors
    /// The first address or certificate that can't be had.
    pub(crate) fn plan(
        &self,
        table: &Table,
        inherited: &mut Inherited,
    ) -> Result<Plan, ListenError> {
        let mut plan = Plan {
            addresses: Vec::new(),
            tls: HashMap::new(),
        };
        for listener in &table.listeners {
            let acceptor = Acceptor {
                listener: Arc::clone(&listener.name),
                kind: listener.kind,
                tls: self.tls_of(listener, &mut plan.tls)?,
                proxy_protocol: listener.proxy_protocol,
                timeouts: listener.timeouts,
            };
            let addresses = self.addresses(listener, &acceptor, &plan, inherited)?;
            let addresses = addresses.into_iter().map(|open| (open, acceptor.clone()));
            plan.addresses.extend(addresses);
        }
        Ok(plan)
    }

    fn tls_of(
        &self,
        listener: &Listener,
        planned: &mut HashMap<ListenerTls, Tls>,
    ) -> Result<Option<Arc<ServerConfig>>, ListenError> {
        let Some(wanted) = &listener.tls else {
            return Ok(None);
        };
        let known = planned.get(wanted).or(self.tls.lock().get(wanted)).cloned();
        let tls = match known {
            Some(tls) => tls,
            None => {
                let certificates = Certificates::load(wanted.clone()).map_err(|source| {
                    let listener = Arc::clone(&listener.name);
                    ListenError::Certificate { listener, source }
                })?;
                Tls {
                    config: certificates.server_config(),
                    certificates,
                }
            }
        };
        let config = Arc::clone(&tls.config);
        planned.insert(wanted.clone(), tls);
        Ok(Some(config))
    }

    /// All addresses of one listener: kept, inherited or new.
    fn addresses(
        &self,
        listener: &Listener,
        acceptor: &Acceptor,
        plan: &Plan,
        inherited: &mut Inherited,
    ) -> Result<Vec<Arc<OpenAddress>>, ListenError> {
        let activated = self.activated(acceptor, inherited);
        if !activated.is_empty() {
            return Ok(activated);
        }
        let open = self.open.borrow();
        let address = |&bind: &SocketAddr| {
            let kept = open.iter().find(|open| {
                let planned = plan.addresses.iter().any(|(other, _)| other.id == open.id);
                open.serves(&listener.name, bind) && !planned
            });
            if let Some(kept) = kept {
                return Ok(Arc::clone(kept));
            }
            let inherited = inherited.take_for(&listener.name, bind);
            // On all addresses, where one of ours listens on one of them, or the other way about.
            let shared =
                bind.port() != 0 && open.iter().any(|open| open.addr.port() == bind.port());
            let sockets = open_sockets(bind, inherited, self.workers, shared);
            match sockets {
                Ok(sockets) => Ok(Arc::new(self.opened(acceptor, bind, sockets, false))),
                Err(source) => Err(refused(&listener.name, bind, source)),
            }
        };
        listener.bind.iter().map(address).collect()
    }

    /// Addresses that the service manager has named as the listener is named, now or before.
    fn activated(&self, acceptor: &Acceptor, inherited: &mut Inherited) -> Vec<Arc<OpenAddress>> {
        let open = self.open.borrow();
        let mut addresses: Vec<_> = open
            .iter()
            .filter(|open| open.activated && open.acceptor.load().listener == acceptor.listener)
            .cloned()
            .collect();
        for (addr, sockets) in inherited.take_activated(&acceptor.listener) {
            match open_sockets(addr, sockets, self.workers, true) {
                Ok(sockets) => {
                    addresses.push(Arc::new(self.opened(acceptor, addr, sockets, true)));
                }
                Err(error) => tracing::warn!(%addr, %error, "inherited socket not used"),
            }
        }
        addresses
    }

    fn opened(
        &self,
        acceptor: &Acceptor,
        bind: SocketAddr,
        sockets: Vec<TcpListener>,
        activated: bool,
    ) -> OpenAddress {
        let addr = sockets.first().and_then(|socket| socket.local_addr().ok());
        OpenAddress {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            acceptor: Arc::new(ArcSwap::from_pointee(acceptor.clone())),
            closing: self.draining.child_token(),
            sockets,
            bind,
            addr: addr.unwrap_or(bind),
            activated,
        }
    }

    /// Makes a plan true: new addresses are accepted from, kept ones treat new connections as the table
    /// now says, and others are closed once their queues are empty.
    pub(crate) fn apply(&self, plan: Plan) {
        *self.tls.lock() = plan.tls;
        let mut addresses = Vec::new();
        for (address, acceptor) in plan.addresses {
            let fresh = self.open.borrow().iter().all(|open| open.id != address.id);
            if fresh {
                // With port 0 in the table nobody could know it otherwise.
                tracing::info!(listener = %acceptor.listener, addr = %address.addr, "listening");
            }
            address.acceptor.store(Arc::new(acceptor));
            addresses.push(address);
        }
        let before = self.open.send_replace(addresses);
        let kept: Vec<u64> = self.open.borrow().iter().map(|open| open.id).collect();
        for gone in before.iter().filter(|open| !kept.contains(&open.id)) {
            let listener = &gone.acceptor.load().listener;
            tracing::info!(%listener, addr = %gone.addr, "listening no more");
            gone.closing.cancel();
        }
    }

    /// Closes all of them: workers take what is in the queues and let their connections finish.
    pub(crate) fn close_all(&self) {
        // Our own descriptors first: the sockets close as soon as the workers have emptied them.
        drop(self.open.send_replace(Vec::new()));
        self.draining.cancel();
    }

    /// Every socket, for a successor.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub(super) fn duplicates(&self) -> io::Result<Vec<(Label, OwnedFd)>> {
        let open = self.open.borrow();
        let sockets = open
            .iter()
            .flat_map(|open| open.sockets.iter().map(|socket| (open.label(), socket)));
        sockets
            .map(|(label, socket)| Ok((label, socket.try_clone()?.into())))
            .collect()
    }
}

/// The sockets of an address: those inherited, and new ones up to one a worker where the system lets
/// several listen there.
fn open_sockets(
    addr: SocketAddr,
    inherited: Vec<TcpListener>,
    workers: usize,
    shared: bool,
) -> io::Result<Vec<TcpListener>> {
    let Some(first) = inherited.first() else {
        return bind(addr, workers, shared);
    };
    let addr = first.local_addr()?;
    let missing = workers.saturating_sub(inherited.len());
    let mut sockets = inherited;
    sockets.iter().try_for_each(prepare)?;
    match bind_more(addr, missing) {
        Ok(more) => sockets.extend(more),
        // A service manager's socket lets nobody beside it, or belongs to another user.
        Err(error) => {
            tracing::debug!(%addr, %error, "workers share the inherited socket");
        }
    }
    Ok(sockets)
}

fn refused(listener: &Arc<str>, addr: SocketAddr, source: io::Error) -> ListenError {
    let listener = Arc::clone(listener);
    match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { listener, addr },
        _ => ListenError::Refused {
            listener,
            addr,
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any_port() -> SocketAddr {
        "127.0.0.1:0".parse().expect("an address")
    }

    #[test]
    fn inherited_sockets_are_all_kept_and_new_ones_fill_up_to_one_a_worker() {
        for (inherited, workers, expected) in [(2, 4, 4), (4, 4, 4), (4, 2, 4)] {
            let sockets = bind(any_port(), inherited, false).expect("a free port");
            let addr = sockets[0].local_addr().expect("bound");
            let before: Vec<String> = sockets.iter().map(|socket| format!("{socket:?}")).collect();
            let open = open_sockets(any_port(), sockets, workers, false).expect("sockets");
            let after: Vec<String> = open.iter().map(|socket| format!("{socket:?}")).collect();
            assert_eq!(open.len(), expected, "{inherited} for {workers} workers");
            assert_eq!(after[..inherited], before, "none was opened anew");
            for socket in &open {
                assert_eq!(socket.local_addr().expect("bound"), addr);
            }
        }
    }

    #[test]
    fn a_socket_that_lets_nobody_beside_it_is_shared() {
        let socket = TcpListener::bind(any_port()).expect("a free port");
        let open = open_sockets(any_port(), vec![socket], 3, false).expect("a socket");
        assert_eq!(open.len(), 1);
    }

    fn table(listeners: &str) -> Table {
        let text = format!(
            "version: 1\nlisteners: [ {listeners} ]\n\
             routes: [ {{ match: {{ prefix: / }}, to: {{ respond: {{ status: 204 }} }} }} ]\n"
        );
        let source = route_table::Source {
            file: "routes.yaml",
            text: &text,
            base_dir: std::path::Path::new("."),
            env: &|_| None,
        };
        route_table::load(&source).expect("a good table")
    }

    /// Applies a table and returns the open addresses: listener, and what tells it from another.
    fn applied(listeners: &Listeners, text: &str) -> Vec<(String, u64)> {
        let plan = listeners.plan(&table(text), &mut Inherited::default());
        listeners.apply(plan.expect("free ports"));
        let open = listeners.open.borrow();
        let names = open.iter().map(|open| {
            let listener = open.acceptor.load().listener.to_string();
            (listener, open.id)
        });
        names.collect()
    }

    #[test]
    fn what_a_table_does_not_change_stays_open() {
        let draining = CancellationToken::new();
        let listeners = Listeners::new(2, draining.clone());
        let one = "{ name: one, bind: '127.0.0.1:0' }";
        let two = "{ name: two, bind: '127.0.0.1:0', internal: true }";
        let first = applied(&listeners, one);
        let both = applied(&listeners, &format!("{one}, {two}"));
        assert_eq!(both[0], first[0]);
        let closing = listeners.open.borrow()[0].closing.clone();
        let second = applied(&listeners, two);
        assert_eq!(second[0], both[1]);
        assert!(closing.is_cancelled(), "it is listened to no more");
        assert_ne!(applied(&listeners, one), first, "its port was given back");
        listeners.close_all();
        assert!(draining.is_cancelled() && listeners.open.borrow().is_empty());
    }

    #[test]
    fn a_plan_that_is_dropped_changes_nothing() {
        let listeners = Listeners::new(1, CancellationToken::new());
        let open = applied(&listeners, "{ name: one, bind: '127.0.0.1:0' }");
        let taken = TcpListener::bind(any_port()).expect("a free port");
        let taken = taken.local_addr().expect("bound");
        let text = format!("{{ name: two, bind: ['127.0.0.1:0', '{taken}'] }}");
        let refused = listeners.plan(&table(&text), &mut Inherited::default());
        assert!(matches!(refused, Err(ListenError::InUse { .. })));
        assert_eq!(
            applied(&listeners, "{ name: one, bind: '127.0.0.1:0' }"),
            open
        );
    }
}
