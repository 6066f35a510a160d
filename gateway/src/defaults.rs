//! Every number that the gateway decides by itself, with its reason.
//!
//! What `routes.yaml` can set has its default in `route_table::defaults`.

use std::time::Duration;

/// Bytes of a request's header block, on HTTP/1.1 and HTTP/2 alike. Common servers take 16–60 KiB.
pub const HEADER_BYTES_MAX: u32 = 32 * 1024;

/// Header fields of a request. Envoy, hyper and Kong stop at 100 too.
pub const HEADER_COUNT_MAX: usize = 100;

/// Requests that one HTTP/2 client may have open at once (Envoy's guidance for the edge).
pub const H2_STREAMS_MAX: u32 = 100;

/// Bytes a client may send on one HTTP/2 stream before we read them.
pub const H2_STREAM_WINDOW_BYTES: u32 = 64 * 1024;

/// Bytes a client may send on one HTTP/2 connection before we read them.
pub const H2_CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Streams that a client may open and reset before we close its connection (CVE-2023-44487).
pub const H2_RESET_STREAMS_MAX: usize = 100;

/// From a request's first byte to the end of its header block; slower clients hold memory for nothing.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// From accept to the end of the TLS handshake.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection without a request is kept (nginx keeps 75 s).
pub const CLIENT_IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How long a body, in either direction, may stand still. There is no absolute limit: a large upload
/// over a slow line is not a fault.
pub const BODY_PROGRESS_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a client that has had its answer may go on sending what nobody wants (nginx's
/// `lingering_timeout`).
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes that it may send.
pub const LINGER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a stream (server-sent events, gRPC, WebSocket) may stand still (Envoy).
pub const STREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// From the agreement to switch to both sides having switched.
pub const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// Buffer of a WebSocket, each way.
pub const TUNNEL_BUFFER_BYTES: usize = 8 * 1024;

/// Bytes of a request's body that are remembered for another attempt.
pub const REPLAY_BYTES_MAX: u64 = 64 * 1024;

/// Share of `overload.requests`, in percent, at which routes of low priority are refused.
pub const LOW_PRIORITY_PERCENT: u64 = 80;

/// The same for routes of normal priority.
pub const NORMAL_PRIORITY_PERCENT: u64 = 95;

/// Connections that wait to be accepted, a listening socket.
pub const LISTEN_BACKLOG: i32 = 1024;

/// Idle connections kept to one endpoint, a worker.
pub const IDLE_CONNECTIONS_MAX: usize = 256;

/// Interim answers (1xx) that one request may get; none is passed on. More is no answer but a way to
/// keep a connection busy.
pub const INTERIM_RESPONSES_MAX: u32 = 32;

/// Bytes an endpoint may send on one HTTP/2 stream before the client has taken them: 25 MiB/s at a
/// round trip of 10 ms.
pub const UPSTREAM_H2_STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// Bytes an endpoint may send on one HTTP/2 connection before clients have taken them: 128 clients that
/// do not read must not stop the others that share it.
pub const UPSTREAM_H2_CONNECTION_WINDOW_BYTES: u32 = 128 * UPSTREAM_H2_STREAM_WINDOW_BYTES;

/// Bytes of a request's body kept for an endpoint that does not take them.
pub const UPSTREAM_H2_SEND_BUFFER_BYTES: usize = 256 * 1024;

/// Quiet time after which an HTTP/2 endpoint with open streams is asked whether it is there. gRPC
/// servers close connections that ask more often than every five minutes.
pub const UPSTREAM_H2_PING: Duration = Duration::from_secs(310);

/// How long its answer may take.
pub const UPSTREAM_H2_PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Requests in a row that were given up without an answer after which an HTTP/2 connection takes no
/// more: the next ones find out on a new one whether the endpoint is there.
pub const UPSTREAM_H2_UNANSWERED_MAX: u32 = 5;

/// Answers that overtake their requests after which an HTTP/2 connection takes no more: each may leave a
/// stream that the peer never ends.
pub const UPSTREAM_H2_OVERTAKEN_MAX: u32 = 16;

/// From an HTTP/2 connection's last answer, once it is no longer kept, to its end by force.
pub const UPSTREAM_H2_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Quiet time after which the system asks whether an endpoint's machine is there.
pub const UPSTREAM_TCP_KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// Time between such questions.
pub const UPSTREAM_TCP_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// How long one address of a name is waited for before the next is tried as well (RFC 8305).
pub const HAPPY_EYEBALLS_DELAY: Duration = Duration::from_millis(250);

/// Shortest time between two lookups of a name, whatever its time to live.
pub const DNS_LOOKUP_PAUSE: Duration = Duration::from_secs(5);

/// Longest time between two lookups of a name, whatever its time to live.
pub const DNS_LOOKUP_PAUSE_MAX: Duration = Duration::from_secs(600);

/// Longest that one lookup may take, all name servers and search domains together.
pub const DNS_LOOKUP_TIMEOUT: Duration = Duration::from_secs(15);

/// Time between two log lines about endpoints of an upstream that do not fit their row of the table.
pub const COMPLAINT_PAUSE: Duration = Duration::from_secs(30);

/// Local failures in a row (connect, reset, timeout, garbage) that eject an endpoint (Envoy).
pub const EJECT_AFTER_FAILURES: u32 = 5;

/// First ejection; the nth lasts n times as long.
pub const EJECTION_BASE: Duration = Duration::from_secs(30);

/// Longest ejection.
pub const EJECTION_MAX: Duration = Duration::from_secs(300);

/// Share of endpoints that may be ejected at once, in percent, in pools of ten and more.
pub const EJECTED_PERCENT_MAX: usize = 10;

/// The same in smaller pools, where 10 % would be none.
pub const EJECTED_PERCENT_MAX_SMALL_POOL: usize = 50;

/// Below this share of usable endpoints, in percent, all are used: a bad endpoint beats no endpoint.
pub const PANIC_PERCENT: usize = 50;

/// What an endpoint is assumed to cost before its first answer (Linkerd).
pub const EWMA_START: Duration = Duration::from_millis(30);

/// Time in which an old measurement loses 63 % of its weight (Linkerd).
pub const EWMA_DECAY: Duration = Duration::from_secs(10);

/// First step of a drain: not ready, still serving, until load balancers have noticed.
pub const DRAIN_DELAY: Duration = Duration::from_secs(5);

/// Second step of a drain: no new connections; those open may finish.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// How often the route table's file is looked at.
pub const TABLE_POLL: Duration = Duration::from_millis(100);

/// How often certificate files are looked at.
pub const CERTIFICATE_POLL: Duration = Duration::from_secs(2);

/// Bytes of a problem's detail text and of other texts we write ourselves; larger ones are cut.
pub const DETAIL_BYTES_MAX: usize = 512;
