//! The gateway as a process, with a route table that the test writes and edits.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use reqwest::{Certificate, Client};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::authority::Authority;
use crate::client::{self, Reply, ReplyExt as _, plain_client};
use crate::deadline::{PATIENCE, eventually};
use crate::process::{Binary, Process};
use crate::raw::Raw;

/// What every table of a test starts with: each kind of listener, on port 0.
const LISTENERS: &str = r#"version: 1
listeners:
  - { name: edge, bind: "127.0.0.1:0", tls: { cert: edge.pem, key: edge.key } }
  - { name: plain, bind: "127.0.0.1:0" }
  - { name: redirect, bind: "127.0.0.1:0", redirect_to_https: 8443 }
  - { name: internal, bind: "127.0.0.1:0", internal: true }
admin: { bind: "127.0.0.1:0" }
"#;

/// The table's file name in the gateway's folder.
const TABLE: &str = "routes.yaml";

/// How a file is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// Written over.
    InPlace,
    /// Written beside it and moved over it, as most editors do.
    Rename,
    /// A symbolic link that is pointed elsewhere, as Kubernetes does.
    Symlink,
}

impl Edit {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::InPlace, Self::Rename, Self::Symlink];
}

/// A running gateway. Dropping it kills it.
#[derive(Debug)]
pub struct Gateway {
    pub process: Process,
    authority: Authority,
    folder: TempDir,
    addresses: HashMap<String, SocketAddr>,
    saves: usize,
}

impl Gateway {
    /// Starts a gateway whose table is the usual listeners and `rest`, and waits until it serves.
    pub async fn start(binary: Binary, rest: &str) -> Self {
        Self::start_table(binary, &Self::table(rest), &[]).await
    }

    /// The usual listeners and `rest`: what [`Gateway::edit`] is given.
    pub fn table(rest: &str) -> String {
        format!("{LISTENERS}{rest}")
    }

    /// Starts a gateway with a whole table of the test's own, and waits until it serves.
    ///
    /// # Panics
    /// When it does not get ready.
    pub async fn start_table(binary: Binary, table: &str, environment: &[(&str, String)]) -> Self {
        Self::start_with_sockets(binary, table, environment, Vec::new()).await
    }

    /// The same, with sockets from a service manager.
    pub async fn start_with_sockets(
        binary: Binary,
        table: &str,
        environment: &[(&str, String)],
        sockets: Vec<OwnedFd>,
    ) -> Self {
        let start = Start {
            table,
            environment,
            sockets,
            drain_delay: "0s",
        };
        start.start(binary).await
    }

    /// Starts a gateway with the usual listeners and `rest`, which serves on for `drain_delay` once it is
    /// asked to stop.
    pub async fn start_delayed(binary: Binary, rest: &str, drain_delay: &str) -> Self {
        let start = Start {
            table: &Self::table(rest),
            environment: &[],
            sockets: Vec::new(),
            drain_delay,
        };
        start.start(binary).await
    }

    /// Where a listener listens; with several addresses, the first.
    ///
    /// # Panics
    /// When there is no such listener.
    #[track_caller]
    pub fn address(&self, listener: &str) -> SocketAddr {
        let found = self.addresses.get(listener).copied();
        found.unwrap_or_else(|| panic!("no listener `{listener}`: {:?}", self.addresses))
    }

    /// A URL on the edge.
    pub fn https(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address("edge").port())
    }

    /// A URL on another listener.
    pub fn http(&self, listener: &str, path: &str) -> String {
        format!("http://{}{path}", self.address(listener))
    }

    /// A client that trusts this gateway's authority and nothing else; HTTP/2 where offered.
    ///
    /// # Panics
    /// When no client can be built.
    pub fn client(&self) -> Client {
        self.client_builder().build().unwrap()
    }

    /// The same, which shows a certificate; both texts in PEM.
    ///
    /// # Panics
    /// When they are none.
    pub fn client_showing(&self, certificate: &str, key: &str) -> Client {
        let identity = reqwest::Identity::from_pem(format!("{certificate}{key}").as_bytes());
        let builder = self.client_builder().identity(identity.unwrap());
        builder.build().unwrap()
    }

    /// The same, for HTTP/1.1 alone.
    ///
    /// # Panics
    /// When no client can be built.
    pub fn http1_client(&self) -> Client {
        self.client_builder().http1_only().build().unwrap()
    }

    /// A client of its own connections whose answers tell the server's certificate.
    ///
    /// # Panics
    /// When no client can be built.
    pub fn client_with_tls_info(&self) -> Client {
        self.client_builder().tls_info(true).build().unwrap()
    }

    fn client_builder(&self) -> reqwest::ClientBuilder {
        let ca = Certificate::from_pem(self.authority.pem().as_bytes()).unwrap();
        client::builder().tls_certs_only([ca])
    }

    /// `GET` over HTTPS.
    pub async fn get(&self, path: &str) -> Reply {
        self.client().get(self.https(path)).reply().await
    }

    /// A raw connection to the listener without TLS.
    pub async fn raw(&self) -> Raw {
        Raw::connect(self.address("plain")).await
    }

    /// A raw connection to the edge, on which this protocol was agreed.
    ///
    /// # Panics
    /// When the edge does not agree to it.
    pub async fn raw_tls(&self, protocol: &[u8]) -> Raw {
        let edge = self.address("edge");
        let stream = self.authority.dial(edge, protocol).await;
        Raw::over(stream)
    }

    /// The same, with these bytes before TLS begins.
    ///
    /// # Panics
    /// When the edge does not agree to the protocol.
    pub async fn raw_tls_behind(&self, header: &[u8], protocol: &[u8]) -> Raw {
        let mut stream = TcpStream::connect(self.address("edge")).await.unwrap();
        stream.write_all(header).await.unwrap();
        Raw::over(self.authority.secure(stream, protocol).await)
    }

    /// A raw connection to any listener without TLS.
    pub async fn raw_to(&self, listener: &str) -> Raw {
        Raw::connect(self.address(listener)).await
    }

    /// `GET` on the admin listener.
    pub async fn admin(&self, path: &str) -> Reply {
        plain_client().get(self.http("admin", path)).reply().await
    }

    /// What `/upstreams` says of an endpoint, by its name there.
    ///
    /// # Panics
    /// When there is no such endpoint.
    pub async fn endpoint(&self, name: &str) -> serde_json::Value {
        let page = self.admin("/upstreams").await.expect(200).json();
        let upstreams = page["items"].as_array().unwrap().iter();
        let mut all = upstreams.flat_map(|upstream| upstream["endpoints"].as_array().unwrap());
        let found = all.find(|endpoint| endpoint["endpoint"] == name);
        found
            .unwrap_or_else(|| panic!("no `{name}` in {page}"))
            .clone()
    }

    /// Waits until an endpoint is in a state for a reason, and returns what `/upstreams` says of it.
    pub async fn wait_for_state(&self, name: &str, state: &str, reason: &str) -> serde_json::Value {
        let what = format!("{name} to be {state}: {reason}");
        eventually(&what, PATIENCE, async || {
            let endpoint = self.endpoint(name).await;
            let found = endpoint["reason"].as_str().unwrap_or_default();
            (endpoint["state"] == state && found.contains(reason)).then_some(endpoint)
        })
        .await
    }

    /// The value of a metric: the sum over all series whose text contains every one of `labels`.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.admin("/metrics").await.expect(200).body;
        let values = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (found, rest) = series.split_once('{').unwrap_or((series, ""));
            let wanted = found == name && labels.iter().all(|label| rest.contains(label));
            wanted.then(|| value.parse::<f64>().ok()).flatten()
        });
        values.sum()
    }

    /// The folder of the table and the certificates.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Replaces the edge's certificate by a new one of the same authority.
    pub fn renew_certificate(&self) {
        self.authority.issue_into(self.folder.path());
    }

    /// Saves a new table and does not wait.
    ///
    /// # Panics
    /// When the file can't be written.
    pub fn save(&mut self, how: Edit, table: &str) {
        self.saves += 1;
        let path = self.folder.path().join(TABLE);
        let beside = |name: String| -> PathBuf { self.folder.path().join(name) };
        match how {
            Edit::InPlace => std::fs::write(&path, table).unwrap(),
            Edit::Rename => {
                let fresh = beside(format!("{TABLE}.swp"));
                std::fs::write(&fresh, table).unwrap();
                std::fs::rename(fresh, path).unwrap();
            }
            Edit::Symlink => {
                let (version, link) = (
                    beside(format!("v{}.yaml", self.saves)),
                    beside("link".to_owned()),
                );
                std::fs::write(&version, table).unwrap();
                std::os::unix::fs::symlink(version, &link).unwrap();
                std::fs::rename(link, path).unwrap();
            }
        }
    }

    /// Saves a new table and waits until it serves.
    pub async fn edit(&mut self, how: Edit, table: &str) {
        let mark = self.process.mark();
        self.save(how, table);
        self.process
            .message_after(mark, "route table applied")
            .await;
    }

    /// The access log's line of the request with this path.
    pub async fn access_line(&self, path: &str) -> serde_json::Value {
        let what = format!("an access log line for {path}");
        let is_access = |line: &serde_json::Value| line["path"] == path && line["status"].is_u64();
        self.process.line_after(0, &what, is_access).await
    }

    /// Makes sure that nothing went wrong inside, whatever went wrong outside.
    ///
    /// # Panics
    /// When the process has ended or a handler has panicked.
    #[track_caller]
    pub fn assert_sound(&mut self) {
        assert!(
            self.process.is_running(),
            "the gateway has ended\n{}",
            self.process.tail()
        );
        let panicked = |line: &serde_json::Value| line.to_string().contains("panicked");
        let lines = self.process.lines();
        let found = lines.iter().find(|line| panicked(line));
        assert!(found.is_none(), "a handler panicked: {found:?}");
    }
}

/// How a gateway is started.
struct Start<'s> {
    table: &'s str,
    environment: &'s [(&'s str, String)],
    sockets: Vec<OwnedFd>,
    drain_delay: &'s str,
}

impl Start<'_> {
    /// Starts it and waits until it serves.
    async fn start(self, binary: Binary) -> Gateway {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        authority.issue_into(folder.path());
        std::fs::write(folder.path().join(TABLE), self.table).unwrap();
        let arguments = [
            "run",
            "--config",
            TABLE,
            "--workers",
            "2",
            "--drain-delay",
            self.drain_delay,
            "--supervised",
        ];
        let process = Process::start_with_sockets(
            binary,
            &arguments,
            self.environment,
            folder.path(),
            self.sockets,
        );
        process.message("gateway ready").await;
        let addresses = addresses(&process);
        Gateway {
            process,
            authority,
            folder,
            addresses,
            saves: 0,
        }
    }
}

/// What the log says of listeners, the first address of each.
fn addresses(process: &Process) -> HashMap<String, SocketAddr> {
    let mut found = HashMap::new();
    for line in process
        .lines()
        .iter()
        .filter(|line| line["message"] == "listening")
    {
        let listener = line["listener"].as_str().unwrap_or_default().to_owned();
        let addr = line["addr"].as_str().and_then(|addr| addr.parse().ok());
        found
            .entry(listener)
            .or_insert(addr.unwrap_or_else(|| panic!("no address in {line}")));
    }
    found
}
