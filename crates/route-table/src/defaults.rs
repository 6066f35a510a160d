//! Every default of `routes.yaml`, and every bound on what it may say, with its reason.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Operators' listener: loopback only, because it has no login.
pub const ADMIN_BIND: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9901);

/// From a request's first byte to the end of its header block; slower clients hold memory for nothing
/// (Sōzu).
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection without a request is kept (nginx).
pub const CLIENT_IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How long a body, in either direction, may stand still (nginx). There is no absolute limit: a large
/// upload over a slow line is not a fault.
pub const BODY_PROGRESS_TIMEOUT: Duration = Duration::from_secs(60);

/// From the end of a request to the head of its response, retries included (Envoy).
pub const ROUTE_TIMEOUT: Duration = Duration::from_secs(15);

/// Bytes of a request's body.
pub const BODY_LIMIT_BYTES: u64 = 10 * 1024 * 1024;

/// How long a browser may keep a preflight's answer: it hears of an edited table within that time. Browsers
/// have caps of their own, from two hours to a day.
pub const CORS_MAX_AGE: Duration = Duration::from_secs(600);

/// Answers below this size stay as they are: a packet or two, which compression makes no fewer.
pub const COMPRESSED_BYTES_MIN: u64 = 1024;

/// Media types whose answers `compress: true` compresses. Images, video, archives and web fonts are packed
/// already.
pub const COMPRESSED_TYPES: [&str; 14] = [
    "text/*",
    "application/json",
    "application/*+json",
    "application/x-ndjson",
    "application/javascript",
    "application/x-javascript",
    "application/xml",
    "application/*+xml",
    "application/yaml",
    "application/wasm",
    "application/graphql",
    "image/svg+xml",
    "font/ttf",
    "font/otf",
];

/// When clients of a closed row are told to come back.
pub const MAINTENANCE_RETRY_AFTER: Duration = Duration::from_secs(300);

/// Attempts after the first: one layer retries, and it retries once (Envoy).
pub const RETRIES: u32 = 1;

/// The first pause before a second attempt is a random share of this (Envoy).
pub const BACKOFF: Duration = Duration::from_millis(25);

/// No pause before another attempt is longer (Envoy).
pub const BACKOFF_MAX: Duration = Duration::from_millis(250);

/// Second attempts, in percent of an upstream's requests in the last 10 s (tower, Linkerd).
pub const RETRY_BUDGET_PERCENT: u32 = 20;

/// Second attempts a second that are always allowed, so that quiet upstreams can be retried at all.
pub const RETRY_BUDGET_FLOOR: u32 = 10;

/// Connections, waiting requests and requests of one upstream at once (Envoy).
pub const CIRCUIT: u32 = 1024;

/// Requests in the gateway at once.
pub const OVERLOAD_REQUESTS: u32 = 100_000;

/// Bytes of answers that are kept in all: a small machine has them, and they are some thousands of pages.
pub const CACHE_MEMORY_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes of a body that is kept: what is larger is better kept by whoever can do so on disk.
pub const CACHE_BODY_BYTES_MAX: u64 = 1024 * 1024;

/// The most that a route may say instead: bodies are kept in memory, and copied once.
pub const CACHE_BODY_BYTES_MAX_MAX: u64 = 256 * 1024 * 1024;

/// More attempts than that are a storm, not a remedy.
pub const RETRIES_MAX: u32 = 5;

/// A TCP connect in a data centre takes a millisecond (Linkerd, Sōzu).
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Below the five seconds after which common servers close: reusing a connection that the other side
/// is closing is the classic 502.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// Time between active checks (Sōzu).
pub const HEALTH_INTERVAL: Duration = Duration::from_secs(10);

/// How long a check waits for its answer (Sōzu).
pub const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

/// Failed checks in a row that take an endpoint out (Sōzu).
pub const UNHEALTHY_AFTER: u32 = 3;

/// Passed checks in a row that bring it back (Sōzu).
pub const HEALTHY_AFTER: u32 = 2;

/// Failures in a row that take an endpoint out (Envoy).
pub const OUTLIER_FAILURES: u32 = 5;

/// First ejection (Envoy).
pub const EJECTION: Duration = Duration::from_secs(30);

/// Longest ejection (Envoy).
pub const EJECTION_MAX: Duration = Duration::from_secs(300);

/// Share of endpoints that may be out at once, in percent (Envoy).
pub const EJECTED_PERCENT_MAX: u8 = 10;

/// How often endpoints are compared with each other (Envoy).
pub const OUTLIER_INTERVAL: Duration = Duration::from_secs(10);

/// Endpoints that a comparison takes (Envoy).
pub const OUTLIER_ENDPOINTS_MIN: u32 = 5;

/// Requests of an endpoint in one interval that a comparison takes (Envoy).
pub const OUTLIER_REQUESTS_MIN: u32 = 100;

/// Largest weight of an endpoint, in `routes.yaml` and in the registry.
pub const WEIGHT_MAX: u32 = 1_000;

/// Characters of a secret: shorter ones can be found by trying.
pub const SECRET_CHARS_MIN: usize = 16;

/// Clocks differ by so much (Envoy, KrakenD).
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// How long a service that is asked about a caller may take.
pub const AUTH_CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a token of the gateway's own is good: for the call it was made for, and for what that calls.
pub const OWN_TOKEN_LIFETIME: Duration = Duration::from_secs(60);

/// How long the last good keys serve while their issuer is away.
pub const STALE_KEYS: Duration = Duration::from_secs(3600);

/// Bytes of a table's text.
pub const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Nodes of the YAML tree.
pub const NODES_MAX: usize = 20_000_000;

/// Nodes of the YAML tree that aliases stand for: an alias bomb ends here.
pub const ALIASED_NODES_MAX: usize = 500_000;

/// Levels of the YAML tree; a table has six.
pub const DEPTH_MAX: usize = 32;

/// Routes of a table.
pub const ROUTES_MAX: usize = 1_000_000;

/// Segments of a path pattern.
pub const SEGMENTS_MAX: usize = 64;

/// Longest time that may be written anywhere in a table.
pub const DURATION_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
