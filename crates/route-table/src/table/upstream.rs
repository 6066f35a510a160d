//! Who answers: endpoints, how one of them is chosen, and how far it is trusted.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::table::{Balance, Given, HashKey, Position, StickyCookie, TlsFiles};

/// A named group of endpoints that answer alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    pub name: Arc<str>,
    pub position: Position,
    pub endpoints: EndpointSource,
    pub protocol: UpstreamProtocol,
    /// For endpoints whose URL says `https`.
    pub tls: UpstreamTls,
    /// Taken off the front of the path (whole segments) before the request is forwarded; starts
    /// with `/`, has no `/` at its end.
    pub strip_prefix: Option<Arc<str>>,
    pub balance: Balance,
    /// Read by policies that go by a key.
    pub hash: HashKey,
    /// A client comes back to the endpoint that it had; none by default.
    pub sticky: Option<StickyCookie>,
    /// How long a new or recovered endpoint takes to get its full share; none by default.
    pub slow_start: Option<Duration>,
    /// Active checks; none by default.
    pub health: Option<HealthCheck>,
    pub outlier: Outlier,
    pub circuit: Circuit,
    pub retry_budget: RetryBudget,
    pub connections: Connections,
    /// Whether the client's `Host` is passed on (default) or the endpoint's authority is sent.
    pub preserve_host: bool,
    /// Paths of this table that it asks in its turn, each with all that is below it. Changes no request; it is
    /// what [`lint`](crate::lint) knows of layers.
    pub calls: Vec<Arc<str>>,
    /// What of it was written.
    pub given: Given,
}

/// Where an upstream's endpoints come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointSource {
    /// Written in the file; at least one. Names among them are looked up in DNS and followed.
    Static(Vec<StaticEndpoint>),
    /// A service's name in the registry, resolved and followed by the control plane.
    Registry { service: Arc<str> },
}

/// One written-down endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StaticEndpoint {
    pub address: EndpointAddress,
    /// Whether TLS is spoken to it.
    pub tls: bool,
    /// Its share relative to the others; 1 to 1,000, default 1.
    pub weight: u32,
    /// Where it runs.
    pub zone: Option<Arc<str>>,
    /// 0 is asked first; the next level serves when too little of the one before is usable.
    pub priority: u8,
}

/// Where an endpoint is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EndpointAddress {
    /// A name or an address; IPv6 without brackets.
    Tcp { host: Arc<str>, port: u16 },
    /// The path of a socket.
    Unix(Arc<str>),
}

/// What is spoken to endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpstreamProtocol {
    /// HTTP/1.1, or over TLS what the endpoint prefers by ALPN.
    #[default]
    Auto,
    Http1,
    /// HTTP/2; without TLS with prior knowledge (h2c).
    Http2,
}

/// How endpoints are known over TLS.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct UpstreamTls {
    /// Authorities in PEM that vouch for the endpoints; none: the system's.
    pub ca: Option<PathBuf>,
    /// The name asked for and expected; none: the endpoint's host.
    pub server_name: Option<Arc<str>>,
    /// What the gateway shows of itself.
    pub client: Option<TlsFiles>,
}

/// Active health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    pub probe: HealthProbe,
    /// Default 10 s.
    pub interval: Duration,
    /// Default 2 s.
    pub timeout: Duration,
    /// Consecutive failures that take an endpoint out; default 3.
    pub unhealthy_after: u32,
    /// Consecutive successes that bring it back; default 2.
    pub healthy_after: u32,
}

/// What a check asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthProbe {
    /// `GET path` must answer 2xx.
    Http { path: Arc<str> },
    /// The connection must be accepted.
    Tcp,
    /// `grpc.health.v1.Health/Check` of this service, empty for the whole server, must say `SERVING`.
    Grpc { service: Arc<str> },
}

/// When a failing endpoint is taken out for a while. What a client breaks off never counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlier {
    /// Failures in a row between gateway and endpoint (connect, reset, timeout, garbage); default 5.
    pub local_failures: u32,
    /// The same or answers 502, 503, 504 in a row; default 5. 0: off.
    pub gateway_failures: u32,
    /// Any 5xx in a row; default 0: off, because a broken request may get the same answer everywhere.
    pub server_errors: u32,
    /// An endpoint much worse than its like; default on.
    pub success_rate: Option<SuccessRate>,
    /// The first ejection; the nth lasts n times as long. Default 30 s.
    pub ejection: Duration,
    /// Longest ejection; default 300 s.
    pub ejection_max: Duration,
    /// Share of endpoints that may be out at once in pools of ten and more; default 10. Smaller pools
    /// may lose half.
    pub percent_max: u8,
}

/// Compares endpoints with each other (Envoy's success-rate detection).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SuccessRate {
    /// How often endpoints are compared; default 10 s.
    pub interval: Duration,
    /// Endpoints with enough requests that it takes; default 5.
    pub endpoints_min: u32,
    /// Requests of an endpoint in an interval that it takes; default 100.
    pub requests_min: u32,
}

/// How much may be under way to one upstream at once, all workers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circuit {
    /// Default 1,024.
    pub connections: u32,
    /// Requests that wait for a connection; default 1,024.
    pub pending: u32,
    /// Default 1,024.
    pub requests: u32,
}

/// How many second attempts an upstream bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudget {
    /// Percent of the requests of the last 10 s; default 20.
    pub percent: u32,
    /// So many a second in any case; default 10.
    pub floor: u32,
}

/// How connections are made and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connections {
    /// How long a connect, TLS included, may take; default 1 s.
    pub connect_timeout: Duration,
    /// How long an idle connection is kept; default 4 s, below the 5 s at which common servers close.
    pub idle_timeout: Duration,
    /// Requests that one connection serves; none by default.
    pub requests_max: Option<u32>,
    /// Age at which a connection takes no more requests; none by default.
    pub age_max: Option<Duration>,
}
