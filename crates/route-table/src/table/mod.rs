//! The compiled, immutable route table: every name resolved, every default filled in.

mod auth;
mod balance;
mod client_networks;
mod access_log;
mod compression;
mod cors;
mod error_pages;
mod files;
mod cache;
mod given;
mod header_rules;
mod maintenance;
mod mirror;
mod path;
mod retry;
mod split;
mod template;
mod upstream;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use ipnet::IpNet;

use crate::matcher::Matcher;

pub use access_log::{AccessLog, MatchField};
pub use auth::{
    Algorithm, ApiKey, ApiKeyFile, Asked, ClaimCondition, ClaimSource, Combine, Demand,
    ForwardCheck, Introspection, JwtRules, OwnIssuer, Place, Provider, ProviderKind, RouteAuth,
    SanPattern,
};
pub use balance::{Balance, HashKey, Secret, StickyCookie};
pub use cache::{CacheMemory, CachePolicy, QueryKey, UserKey};
pub use client_networks::ClientNetworks;
pub use compression::{Compression, Encoding, TypePattern};
pub use cors::{Cors, OriginPattern, Origins};
pub(crate) use cors::{OriginHost, OriginPort, WildOrigin, is_labels, is_port, split_port};
pub use error_pages::{ErrorPages, PageFor};
pub use files::{File, FileId, FileUse};
pub use given::Given;
pub use header_rules::HeaderRules;
pub use maintenance::Maintenance;
pub use mirror::Mirror;
pub use path::{PathKind, PathPattern, Segment};
pub use retry::{RetryOn, RetryPolicy};
pub use split::{Share, Split};
pub(crate) use template::Piece;
pub use template::{Redirect, Template};
pub use upstream::{
    Circuit, Connections, EndpointAddress, EndpointSource, HealthCheck, HealthProbe, Outlier,
    RetryBudget, StaticEndpoint, SuccessRate, Upstream, UpstreamProtocol, UpstreamTls,
};

/// Index of an [`Upstream`] in [`Table::upstreams`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamId(pub u32);

/// Index of a [`Provider`] in [`Table::providers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProviderId(pub u32);

/// Index of a [`Limit`] in [`Table::limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LimitId(pub u32);

/// Index of a [`Migration`] in [`Table::migrations`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MigrationId(pub u32);

/// Index of a [`Route`] in [`Table::routes`], in file order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub u32);

impl RouteId {
    /// The route, if it is one of these.
    pub(crate) fn of(self, routes: &[Route]) -> Option<&Route> {
        routes.get(self.0 as usize)
    }
}

/// A place in a file: what an error or a log line points at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1, in characters.
    pub column: u32,
}

/// All that one `routes.yaml` says.
#[derive(Debug)]
pub struct Table {
    pub listeners: Vec<Listener>,
    pub admin: Admin,
    /// Base URL of the service registry; present when an upstream names a registry service.
    pub registry: Option<String>,
    /// Where this gateway runs: endpoints of the same zone are preferred.
    pub zone: Option<Arc<str>>,
    pub overload: Overload,
    pub access_log: AccessLog,
    /// Who may have requests explained instead of served; nobody by default.
    pub explained_to: Vec<IpNet>,
    pub cache: CacheMemory,
    pub upstreams: Vec<Upstream>,
    /// Signs the tokens that providers with `exchange` give to upstreams.
    pub issuer: Option<OwnIssuer>,
    pub providers: Vec<Provider>,
    pub limits: Vec<Limit>,
    pub migrations: Vec<Migration>,
    /// For routes that have none of their own, and for requests that no route takes.
    pub error_pages: Option<Box<ErrorPages>>,
    /// Empty until whoever loads the table has read them in.
    pub files: Vec<File>,
    pub routes: Vec<Route>,
    pub(crate) matcher: Matcher,
}

/// Sockets that share one purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// For log and metrics; default `edge`, `redirect`, `internal` by kind, numbered when repeated.
    pub name: Arc<str>,
    pub position: Position,
    pub bind: Vec<SocketAddr>,
    /// Present: the listener speaks TLS, with HTTP/2 or HTTP/1.1 by ALPN. Absent: HTTP/1.1 or h2c.
    pub tls: Option<ListenerTls>,
    pub kind: ListenerKind,
    /// Peers whose `X-Forwarded-For` is believed; none by default.
    pub trusted_proxies: Vec<IpNet>,
    /// Coarse limit per client address, before authentication; none by default.
    pub per_ip_limit: Option<Rate>,
    /// Every connection begins with a PROXY protocol v2 header that says who the client is.
    pub proxy_protocol: bool,
    pub timeouts: ListenerTimeouts,
}

/// How long a listener's clients may keep it waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerTimeouts {
    /// From a request's first byte to the end of its header block; default 10 s.
    pub header: Duration,
    /// How long a connection without a request is kept; default 75 s.
    pub idle: Duration,
    /// How long a body, in either direction, may stand still; default 60 s. There is no limit to how
    /// long it may take in all.
    pub body: Duration,
}

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerKind {
    /// Clients from outside: nothing they send is trusted.
    Edge,
    /// Answers every request with `308` to the same URI under `https`, at this port.
    RedirectToHttps { port: u16 },
    /// Our own BFFs: forwarded headers and deadlines are trusted, the per-address limit is off.
    Internal,
}

/// How a listener speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListenerTls {
    pub files: TlsFiles,
    /// Clients may, or must, show a certificate; by default they are not asked for one.
    pub clients: Option<ClientCertificates>,
}

/// Which certificates of clients are good.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientCertificates {
    /// PEM file of the authorities that have signed them, resolved against the folder of the table's file.
    pub ca: PathBuf,
    /// Without one there is no connection; otherwise routes say who needs one. Default: no.
    pub required: bool,
}

/// Certificate chain and private key in PEM, resolved against the folder of the table's file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// The listener of operators: health, metrics, state. Default `127.0.0.1:9901`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    pub bind: Vec<SocketAddr>,
}

/// So many requests in so much time, with a burst: the parameters of GCRA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Requests per [`Rate::period`]; at least 1.
    pub count: u32,
    pub period: Duration,
    /// Requests accepted at once after a pause; default: `count`.
    pub burst: u32,
}

/// A named limit that routes may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    pub name: Arc<str>,
    pub position: Position,
    pub key: LimitKey,
    pub bound: Bound,
    /// `false`: counts and logs what it would have refused, refuses nothing.
    pub enforce: bool,
}

/// How much a limit allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bound {
    /// So many requests in so much time.
    Rate(Rate),
    /// So many requests at once, from their first byte to the last of their answers.
    Concurrent(u32),
}

/// What a limit counts by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LimitKey {
    /// The client's address; IPv6 by its /64.
    Ip,
    /// One bucket for each route.
    Route,
    /// A request header's value; absent: the client's address.
    Header(HeaderName),
    /// A claim of the verified token; absent: the client's address.
    Claim(Arc<str>),
}

/// All URIs that share written data, moved together from the monolith to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    pub name: Arc<str>,
    pub position: Position,
    pub from: UpstreamId,
    pub to: UpstreamId,
    pub stage: Stage,
    pub portal: Option<PortalEntry>,
}

/// How far a migration has gone. Under manual advance the edit *is* the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    Monolith,
    Service,
}

impl Stage {
    /// As it is spelled in `routes.yaml`, log and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Monolith => "monolith",
            Self::Service => "service",
        }
    }
}

/// A menu entry of the portal, whose URI follows the stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalEntry {
    pub title: Arc<str>,
    /// Path of the page while the monolith serves.
    pub monolith: Arc<str>,
    /// Path of the page while the service serves.
    pub service: Arc<str>,
}

/// One row of the table.
#[derive(Debug, Clone)]
pub struct Route {
    /// Unique; default: methods, host and path as written, for example `GET /api/orders/{id}`.
    pub name: Arc<str>,
    pub position: Position,
    pub matches: RouteMatch,
    pub action: Action,
    /// Routes that say the same share one: large tables repeat themselves.
    pub policy: Arc<RoutePolicy>,
}

/// What is asked of a route's requests, and what they may take.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RoutePolicy {
    /// `None`: anyone may call.
    pub auth: Option<RouteAuth>,
    /// Who may use it, by address; anybody by default.
    pub client_ip: Option<Arc<ClientNetworks>>,
    /// Checked in this order, after authentication.
    pub limits: Vec<LimitId>,
    /// From the request's last byte to the response's headers, retries included; default 15 s.
    pub timeout: Duration,
    /// Bytes of request body; default 10 MiB.
    pub body_limit_bytes: u64,
    pub retries: RetryPolicy,
    /// One attempt's share of [`RoutePolicy::timeout`]; none by default: all of it.
    pub try_timeout: Option<Duration>,
    /// Answers begin when they begin and go on as long as they go on: no [`RoutePolicy::timeout`], and a
    /// longer pause in a body is no standstill. Server-sent events, gRPC and upgrades are always so.
    pub streaming: bool,
    /// Whether a client may switch to WebSocket; default yes.
    pub websocket: bool,
    /// The path that the upstream is asked for; the client's by default.
    pub rewrite: Option<Template>,
    /// Changes what the upstream is sent.
    pub request_headers: HeaderRules,
    /// Changes every answer of the route, the gateway's own included.
    pub response_headers: HeaderRules,
    /// Whose pages may read the answers; by default the upstream says so itself.
    pub cors: Option<Box<Cors>>,
    /// Which answers are compressed; none by default.
    pub compress: Option<Box<Compression>>,
    /// Closed for now: the route's own word, or else the whole table's.
    pub maintenance: Option<Arc<Maintenance>>,
    /// Pages for people; where one is missing, the whole table's, and then the gateway's own.
    pub error_pages: Option<Box<ErrorPages>>,
    /// Who gets copies of the requests; nobody by default.
    pub mirror: Option<Mirror>,
    /// Which answers are kept for the next one who asks; none by default.
    pub cache: Option<CachePolicy>,
    pub priority: Priority,
    /// What of it was written.
    pub given: Given,
}

/// Who is served first when there is too much to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Priority {
    /// Refused first.
    Low,
    #[default]
    Normal,
    /// Refused last.
    High,
}

/// When the gateway as a whole refuses work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overload {
    /// Requests in the gateway at once. Low priority ends at 80 % of them, normal at 95 %.
    pub requests: u32,
}

/// What a request must be for a route to take it. All parts must hold.
#[derive(Debug, Clone)]
pub struct RouteMatch {
    pub host: HostPattern,
    pub path: PathPattern,
    /// `None`: host and path are all. Shared as [`Route::policy`] is.
    pub conditions: Option<Arc<Conditions>>,
}

/// What a request must be beside its host and path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Conditions {
    /// Empty: any method. `GET` includes `HEAD`.
    pub methods: Vec<Method>,
    pub headers: Vec<ValueMatch<HeaderName>>,
    pub query: Vec<ValueMatch<Arc<str>>>,
    pub cookies: Vec<ValueMatch<Arc<str>>>,
    /// Empty: any client.
    pub client_ips: Vec<IpNet>,
}

/// The host a route serves, lower case, without port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    Any,
    /// `*.shop.test` keeps `.shop.test`: one or more labels before it.
    Suffix(Arc<str>),
    Exact(Arc<str>),
}

/// A name that must be present, with a value if one is given.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ValueMatch<N> {
    pub name: N,
    /// `None`: any value will do.
    pub value: Option<Arc<str>>,
}

/// What happens to a request that matched.
#[derive(Debug, Clone)]
pub enum Action {
    Upstream(UpstreamId),
    Split(Box<Split>),
    Migration(MigrationId),
    /// Answered by the gateway itself.
    Respond(Box<StaticResponse>),
    Redirect(Box<Redirect>),
}

/// An answer written in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticResponse {
    pub status: StatusCode,
    pub content_type: HeaderValue,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: StaticBody,
}

/// Where the body of an answer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StaticBody {
    Text(Bytes),
    File(FileId),
}

impl Table {
    /// Returns the upstream with this index.
    ///
    /// # Panics
    /// Never for an id of this table: ids are made only by compiling it.
    #[must_use]
    pub fn upstream(&self, id: UpstreamId) -> &Upstream {
        #[expect(
            clippy::indexing_slicing,
            reason = "ids are made by compiling this very table"
        )]
        &self.upstreams[id.0 as usize]
    }

    /// Returns the migration with this index, under the same promise as [`Table::upstream`].
    #[must_use]
    pub fn migration(&self, id: MigrationId) -> &Migration {
        #[expect(
            clippy::indexing_slicing,
            reason = "ids are made by compiling this very table"
        )]
        &self.migrations[id.0 as usize]
    }

    /// Returns the route with this index, under the same promise as [`Table::upstream`].
    #[must_use]
    pub fn route(&self, id: RouteId) -> &Route {
        #[expect(
            clippy::indexing_slicing,
            reason = "ids are made by compiling this very table"
        )]
        &self.routes[id.0 as usize]
    }
}
