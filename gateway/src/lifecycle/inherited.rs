//! Listening sockets that were open before this process began.
//!
//! A service manager passes them by the protocol of `sd_listen_fds(3)`: `LISTEN_FDS`, `LISTEN_PID` and
//! `LISTEN_FDNAMES`. A predecessor, which can't know our process id beforehand, leaves `LISTEN_PID` out
//! and says in a variable of its own what each descriptor is.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixDatagram;

use listenfd::ListenFd;
use serde::{Deserialize, Serialize};

/// Says, as JSON, what the descriptors are that a predecessor hands over: labels, each with the number of
/// descriptors that it stands for. One more follows them, on which it waits to hear from us.
pub(super) const HANDED_OVER: &str = "BANYAN_HANDED_OVER";

/// What a socket is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Label {
    Listener {
        name: String,
        /// As the table wrote it, port 0 included.
        bind: SocketAddr,
        /// The service manager named it; `bind` does not count.
        activated: bool,
    },
    Admin {
        bind: SocketAddr,
    },
    /// From the service manager: a listener's name, `admin`, or anything.
    Named(String),
}

/// Sockets that nobody has claimed yet.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    sockets: Vec<Socket>,
    predecessor: Option<Predecessor>,
}

#[derive(Debug)]
struct Socket {
    label: Label,
    /// Where it really listens.
    addr: SocketAddr,
    socket: TcpListener,
}

/// The process before this one, which waits to hear whether we serve.
#[derive(Debug)]
pub(crate) struct Predecessor(UnixDatagram);

/// What a successor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    Ready,
    Failed(String),
}

impl Word {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        match text.split_once('=')? {
            ("READY", "1") => Some(Self::Ready),
            ("STATUS", reason) => Some(Self::Failed(reason.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("READY=1"),
            Self::Failed(reason) => write!(f, "STATUS={reason}"),
        }
    }
}

impl Predecessor {
    /// Tells it that we serve: it may go.
    pub(crate) fn ready(&self) {
        self.say(&Word::Ready);
    }

    /// Tells it why we do not: it serves on.
    pub(crate) fn failed(&self, reason: &dyn std::error::Error) {
        self.say(&Word::Failed(reason.to_string()));
    }

    fn say(&self, word: &Word) {
        if let Err(error) = self.0.send(word.to_string().as_bytes()) {
            tracing::warn!(%error, "the process before this one does not listen");
        }
    }
}

impl Inherited {
    /// Takes what the environment names. Call it once, before any thread is started: it removes the
    /// variables.
    pub(crate) fn from_environment() -> Self {
        let mut descriptors = ListenFd::from_env();
        let count = descriptors.len();
        if count == 0 {
            return Self::default();
        }
        let variable = |name| std::env::var(name).ok();
        let handed_over = variable(HANDED_OVER)
            .and_then(|text| read_labels(&text))
            .filter(|labels| labels.len() + 1 == count);
        let predecessor = handed_over.as_ref().and_then(|labels| {
            let taken = descriptors.take_unix_datagram(labels.len());
            taken.ok().flatten().map(Predecessor)
        });
        let labels = handed_over.unwrap_or_else(|| {
            let names = variable("LISTEN_FDNAMES").unwrap_or_default();
            let mut names = names.split(':').map(str::to_owned);
            (0..count)
                .map(|_| Label::Named(names.next().unwrap_or_default()))
                .collect()
        });
        let mut inherited = Self {
            sockets: Vec::new(),
            predecessor,
        };
        for (index, label) in labels.into_iter().enumerate() {
            match descriptors.take_tcp_listener(index) {
                Ok(Some(socket)) => inherited.add(label, socket),
                Ok(None) => {}
                Err(error) => tracing::warn!(?label, %error, "inherited descriptor not used"),
            }
        }
        inherited
    }

    pub(super) fn add(&mut self, label: Label, socket: TcpListener) {
        match socket.local_addr() {
            Ok(addr) => self.sockets.push(Socket {
                label,
                addr,
                socket,
            }),
            Err(error) => tracing::warn!(?label, %error, "inherited socket not used"),
        }
    }

    /// Who is to hear whether we serve.
    pub(crate) fn take_predecessor(&mut self) -> Option<Predecessor> {
        self.predecessor.take()
    }

    /// Sockets that the service manager has named as a listener is named: they serve it wherever they
    /// listen. In groups of one address.
    pub(super) fn take_activated(&mut self, listener: &str) -> Vec<(SocketAddr, Vec<TcpListener>)> {
        let found = self.take(|socket| match &socket.label {
            Label::Named(name) => name == listener,
            Label::Listener {
                name, activated, ..
            } => *activated && name == listener,
            Label::Admin { .. } => false,
        });
        let mut groups: Vec<(SocketAddr, Vec<TcpListener>)> = Vec::new();
        for socket in found {
            match groups.iter_mut().find(|(addr, _)| *addr == socket.addr) {
                Some((_, group)) => group.push(socket.socket),
                None => groups.push((socket.addr, vec![socket.socket])),
            }
        }
        groups
    }

    /// Sockets for one address of a listener, as the table writes it.
    pub(super) fn take_for(&mut self, listener: &str, wanted: SocketAddr) -> Vec<TcpListener> {
        // Port 0 is a port of its own for each listener; any other is the same whatever it is called.
        let found = self.take(|socket| match &socket.label {
            Label::Listener {
                name,
                bind,
                activated: false,
            } => *bind == wanted && (wanted.port() != 0 || name == listener),
            Label::Named(_) => socket.addr == wanted,
            _ => false,
        });
        found.into_iter().map(|socket| socket.socket).collect()
    }

    /// The socket for one address of the admin listener.
    pub(crate) fn take_admin(&mut self, wanted: SocketAddr) -> Option<TcpListener> {
        let found = self.take(|socket| match &socket.label {
            Label::Admin { bind } => *bind == wanted,
            Label::Named(name) => name == "admin" || socket.addr == wanted,
            Label::Listener { .. } => false,
        });
        found.into_iter().map(|socket| socket.socket).next()
    }

    fn take(&mut self, wanted: impl Fn(&Socket) -> bool) -> Vec<Socket> {
        let (taken, left) = std::mem::take(&mut self.sockets)
            .into_iter()
            .partition(wanted);
        self.sockets = left;
        taken
    }

    /// Closes what nobody has claimed.
    pub(crate) fn close_rest(self) {
        for Socket { label, addr, .. } in self.sockets {
            tracing::warn!(?label, %addr, "inherited socket closed: nothing in the table fits it");
        }
    }
}

/// Writes labels, one a descriptor. A text a label for each of many workers' sockets would be too long
/// for the environment.
pub(super) fn write_labels<'l>(labels: impl IntoIterator<Item = &'l Label>) -> String {
    let mut counted: Vec<(&Label, usize)> = Vec::new();
    for label in labels {
        match counted.last_mut() {
            Some((last, count)) if *last == label => *count += 1,
            _ => counted.push((label, 1)),
        }
    }
    serde_json::to_string(&counted).unwrap_or_default()
}

/// Reads them back.
fn read_labels(text: &str) -> Option<Vec<Label>> {
    let counted: Vec<(Label, usize)> = serde_json::from_str(text).ok()?;
    let labels = counted.into_iter().flat_map(|(label, count)| {
        // More than a process can have is no count.
        std::iter::repeat_n(label, count.min(usize::from(u16::MAX)))
    });
    Some(labels.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> (TcpListener, SocketAddr) {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = socket.local_addr().expect("bound");
        (socket, addr)
    }

    fn any_port() -> SocketAddr {
        "127.0.0.1:0".parse().expect("an address")
    }

    fn handed_over(name: &str, bind: SocketAddr) -> Label {
        Label::Listener {
            name: name.to_owned(),
            bind,
            activated: false,
        }
    }

    #[test]
    fn sockets_of_a_predecessor_are_found_by_what_the_table_writes() {
        let mut inherited = Inherited::default();
        let sockets = [socket(), socket(), socket()];
        let fixed = sockets[2].1;
        let binds = [any_port(), any_port(), fixed];
        let names = ["edge", "plain", "other"];
        for ((socket, _), (name, bind)) in sockets.into_iter().zip(names.iter().zip(binds)) {
            inherited.add(handed_over(name, bind), socket);
        }
        assert_eq!(inherited.take_for("edge", any_port()).len(), 1);
        assert_eq!(inherited.take_for("edge", any_port()).len(), 0, "once");
        assert_eq!(inherited.take_for("unknown", any_port()).len(), 0);
        assert_eq!(inherited.take_for("renamed", fixed).len(), 1);
    }

    #[test]
    fn sockets_of_a_service_manager_are_found_by_name_or_by_address() {
        let mut inherited = Inherited::default();
        let ((named, named_addr), (bare, bare_addr)) = (socket(), socket());
        inherited.add(Label::Named("edge".to_owned()), named);
        inherited.add(Label::Named("gateway.socket".to_owned()), bare);
        let activated = inherited.take_activated("edge");
        assert_eq!(activated[0].0, named_addr);
        assert_eq!(inherited.take_for("plain", bare_addr).len(), 1);
    }

    #[test]
    fn labels_survive_the_way_to_the_next_process() {
        let edge = handed_over("edge: the first", any_port());
        let mut labels = vec![edge; 1000];
        labels.push(Label::Admin { bind: any_port() });
        let text = write_labels(&labels);
        assert!(text.len() < 1000, "{text}");
        assert_eq!(read_labels(&text), Some(labels));
        assert_eq!(read_labels("nonsense"), None);
    }

    #[test]
    fn words_survive_it_too() {
        for word in [Word::Ready, Word::Failed("listener `edge`: a=b".to_owned())] {
            assert_eq!(Word::parse(word.to_string().as_bytes()), Some(word));
        }
        assert_eq!(Word::parse(b"nonsense"), None);
    }
}
