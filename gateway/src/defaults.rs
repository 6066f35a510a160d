//! Every number that the gateway decides by itself, with its reason.
//!
//! What `routes.yaml` can set has its default in `route_table::defaults`.

use std::time::Duration;

/// Bytes of a request's header block, on HTTP/1.1 and HTTP/2 alike. Common servers take 16–60 KiB.
pub const HEADER_BYTES_MAX: u32 = 32 * 1024;

/// Header fields of a request. Envoy, hyper and Kong stop at 100 too.
pub const HEADER_COUNT_MAX: usize = 100;

/// Header fields of an upstream's answer, over HTTP/1.1 and HTTP/2 alike. What hyper takes unasked: a limit
/// of one's own costs it two allocations an answer.
pub const RESPONSE_HEADER_COUNT_MAX: usize = 100;

/// Requests that one HTTP/2 client may have open at once (Envoy's guidance for the edge).
pub const H2_STREAMS_MAX: u32 = 100;

/// Bytes a client may send on one HTTP/2 stream before we read them.
pub const H2_STREAM_WINDOW_BYTES: u32 = 64 * 1024;

/// Bytes a client may send on one HTTP/2 connection before we read them.
pub const H2_CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Bytes of an answer that wait, a stream, for a client that does not take them. With
/// [`H2_STREAMS_MAX`] streams one connection can hold 6.4 MiB.
pub const H2_SEND_BUFFER_BYTES: usize = 64 * 1024;

/// Bytes of an answer that are handed to an HTTP/2 connection at once. A client that takes less of a
/// stream in the whole body timeout is given up: 1.1 KiB/s.
pub const H2_HANDED_OUT_BYTES_MAX: usize = 64 * 1024;

/// Answers that are compressed at once; further ones stay as they are. An encoder holds 0.4 MiB (gzip), 1.6 MiB
/// (zstd) or 3.7 MiB (Brotli) while a long answer passes, and as long as a slow client takes.
pub const COMPRESSIONS_MAX: u32 = 256;

/// How hard each coding tries: what content delivery networks take for answers that are made as they are
/// asked for. A level more costs half as much again and saves a few percent.
pub const GZIP_LEVEL: i32 = 5;
/// See [`GZIP_LEVEL`].
pub const BROTLI_QUALITY: i32 = 4;
/// See [`GZIP_LEVEL`].
pub const ZSTD_LEVEL: i32 = 3;

/// How far back zstd and Brotli look, as a power of two: 256 KiB. An encoder's memory grows with it; browsers
/// would take up to 8 MiB (RFC 9659).
pub const COMPRESSION_WINDOW_LOG2: u32 = 18;

/// The smallest window, and the size of Brotli's blocks, which cannot be smaller.
pub const COMPRESSION_WINDOW_LOG2_MIN: u32 = 16;

/// Bytes that an encoder takes and hands out at once.
pub const COMPRESSION_PIECE_BYTES: usize = 16 * 1024;

/// Bytes of an answer that are compressed before the worker's other requests have their turn: about a
/// millisecond.
pub const COMPRESSED_AT_ONCE_BYTES: usize = 64 * 1024;

/// Streams that a client may open and reset before we have looked at them (CVE-2023-44487).
pub const H2_PENDING_RESETS_MAX: usize = 100;

/// Streams, in a connection's life, that we had to reset because the client broke the rules
/// (RUSTSEC-2024-0003): hyper's own number, which a connection of days does not reach by accident.
pub const H2_LOCAL_RESETS_MAX: usize = 1024;

/// Time over which floods of HTTP/2 frames are counted. A second is long enough for the burst with which
/// a browser leaves a page, and short enough that the numbers below cost us nothing.
pub const H2_FLOOD_WINDOW: Duration = Duration::from_secs(1);

/// RST_STREAM frames a window (Sōzu): as many as streams can be open. Each may have cost an attempt at
/// an endpoint (CVE-2023-44487).
pub const H2_RESETS_MAX: u32 = 100;

/// PING frames a window, answers included (Sōzu), beyond those that what we sent has earned: each wants
/// an answer (CVE-2019-9512).
pub const H2_PINGS_MAX: u32 = 100;

/// Bytes sent that earn a PING: gRPC clients measure the line with one for each piece of an answer. Our
/// answer to a PING is a quarter of that, so that pings do not earn pings.
pub const H2_PING_BYTES: u64 = 64;

/// SETTINGS frames a window, answers included (Sōzu): each wants an answer (CVE-2019-9515).
pub const H2_SETTINGS_MAX: u32 = 50;

/// CONTINUATION frames a window (Sōzu); `h2` takes six in one header block (CVE-2024-27316).
pub const H2_CONTINUATIONS_MAX: u32 = 20;

/// WINDOW_UPDATE frames a window beyond those that what we sent has earned.
pub const H2_WINDOW_UPDATES_MAX: u32 = 1000;

/// Bytes sent that earn a WINDOW_UPDATE: common clients send one for four KiB and more.
pub const H2_WINDOW_UPDATE_BYTES: u64 = 1024;

/// PRIORITY and other frames a window that ask for nothing (CVE-2019-9513).
pub const H2_OTHER_FRAMES_MAX: u32 = 1000;

/// How long a client may take to answer a PING that asks whether it is there.
pub const H2_PING_TIMEOUT: Duration = Duration::from_secs(10);

/// From accept to the end of the TLS handshake.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// From accept to the end of a PROXY header: the balancer that sends it is near and sends it first.
pub const PROXY_HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of an HTTP/1.1 answer that wait for a client, before they reach its socket. hyper's own 408 KiB
/// would let a thousand clients that do not read hold as many megabytes.
pub const H1_SEND_BUFFER_BYTES: usize = 64 * 1024;

/// How long an HTTP/1.1 connection is idle before its buffers are given up, some 20 KiB: longer than a
/// browser takes for its next request while a page loads, and shorter than most pauses behind it.
pub const H1_PARK_AFTER: Duration = Duration::from_secs(1);

/// Bytes of an HTTP/1.1 answer that are read ahead, and the most that its head may take on its way; more
/// than [`HEADER_BYTES_MAX`] allows an answer.
pub const UPSTREAM_H1_BUFFER_BYTES: usize = 160 * 1024;

/// Bytes of a PROXY header behind its first sixteen. Addresses take at most 216; the rest are values
/// such as a client certificate's name.
pub const PROXY_HEADER_BYTES_MAX: usize = 4096;

/// Bytes that a client's socket holds unsent. Without it a socket takes megabytes and tells of a slow
/// client's progress only after a third of them: a client that reads 5 KiB/s would look like one that
/// does not read.
pub const UNSENT_BYTES_MAX: u32 = 128 * 1024;

/// How long a body, in either direction, may stand still. There is no absolute limit: a large upload
/// over a slow line is not a fault.
pub const BODY_PROGRESS_TIMEOUT: Duration = route_table::defaults::BODY_PROGRESS_TIMEOUT;

/// How long a client that has had its answer may go on sending what nobody wants (nginx's
/// `lingering_timeout`).
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes that it may send.
pub const LINGER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a stream (server-sent events, gRPC, WebSocket) may stand still (Envoy).
pub const STREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// From the agreement to switch to both sides having switched.
pub const SWITCH_TIMEOUT: Duration = Duration::from_secs(10);

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

/// How long a pooled HTTP/1.1 connection may take to finish its last exchange before another one is used.
/// Ordinarily it has, or does in the same turn of the worker.
pub const UPSTREAM_READY_TIMEOUT: Duration = Duration::from_millis(100);

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

/// Share of endpoints that may be ejected at once, in percent, in pools of less than ten, where 10 %
/// would be none.
pub const EJECTED_PERCENT_MAX_SMALL_POOL: usize = 50;

/// Standard deviations below the mean at which an endpoint's success rate is an outlier's (Envoy).
pub const SUCCESS_RATE_DEVIATIONS: f64 = 1.9;

/// Least distance from the mean for that: where all do well, deviations are a matter of chance.
pub const SUCCESS_RATE_GAP_MIN: f64 = 0.05;

/// A priority serves while this share of its endpoints, in percent, is usable. When none has it, all are
/// used: a bad endpoint beats no endpoint (Envoy).
pub const PANIC_PERCENT: usize = 50;

/// The own zone serves alone while this share of its endpoints, in percent, is usable: with less, the
/// rest would bear more than 1.4 times its part (Envoy's overprovisioning factor).
pub const OWN_ZONE_PERCENT: usize = 70;

/// With how much of its weight an endpoint begins a slow start, in thousandths: enough to warm up by
/// (Envoy).
pub const SLOW_START_SHARE_MIN: u32 = 100;

/// Slots of a Maglev table: a prime, as the method needs it, and more than a hundred for each of 650
/// endpoints, which keeps shares within a percent (Eisenbud et al., section 5.3). 256 KiB.
pub const MAGLEV_TABLE_SIZE: usize = 65_537;

/// How much of its fair share of the requests in flight an endpoint may bear under `bounded_maglev`. The less
/// above 100, the more keys go elsewhere; 125 is what Mirrokni et al. and HAProxy's manual begin with.
pub const BOUNDED_LOAD_PERCENT: u32 = 125;

/// How long nobody goes to an endpoint after a connection to it could not be opened, unless there is
/// nobody else (gRPC's connection backoff), or to a mirror that fails; twice as long after the next failure.
pub const RECONNECT_PAUSE_MIN: Duration = Duration::from_secs(1);

/// The longest such pause: what a restarted instance may have to wait for its first request (nginx's
/// `fail_timeout`).
pub const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(10);

/// What an endpoint is assumed to cost before its first answer (Linkerd).
pub const EWMA_START: Duration = Duration::from_millis(30);

/// Time in which an old measurement loses 63 % of its weight (Linkerd).
pub const EWMA_DECAY: Duration = Duration::from_secs(10);

/// What an answer 429 or 503, or none at all, counts as on top of its latency: refusals are quick, and
/// would look like speed (Linkerd).
pub const EWMA_PENALTY: Duration = Duration::from_secs(1);

/// Health checks of one upstream that run at once.
pub const HEALTH_CHECKS_MAX: usize = 64;

/// First step of a drain: not ready, still serving, until load balancers have noticed.
pub const DRAIN_DELAY: Duration = Duration::from_secs(5);

/// Second step of a drain: no new connections; those open may finish.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// How long an HTTP/1.1 connection without a request stays open in a drain. Closed at once, it would
/// meet requests that are on their way; a client that comes back within this time is told by
/// `Connection: close` on its answer instead.
pub const DRAIN_IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// Files that a route table may include. Each is looked at ten times a second.
pub const INCLUDED_FILES_MAX: usize = 1_000;

/// How often the route table's files are looked at.
pub const TABLE_POLL: Duration = Duration::from_millis(100);

/// How often error pages and other files that a table names are looked at.
pub const ANSWER_FILE_POLL: Duration = Duration::from_millis(500);

/// Bytes of such a file: it is held in memory, and sent as a whole.
pub const ANSWER_FILE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of what a service says that is asked about a caller.
pub const AUTH_ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How often files of API keys are looked at: a key that is taken back is refused soon.
pub const API_KEYS_POLL: Duration = Duration::from_millis(500);

/// How often certificate files are looked at.
pub const CERTIFICATE_POLL: Duration = Duration::from_secs(2);

/// Bytes of a problem's detail text and of other texts we write ourselves; larger ones are cut.
pub const DETAIL_BYTES_MAX: usize = 512;

/// How long a successor may take until it serves, in an upgrade of the binary; then it is ended and the
/// old process serves on. A table of a million routes and a slow registry fit.
pub const UPGRADE_TIMEOUT: Duration = Duration::from_secs(60);

/// Copies of requests that wait for one mirror or are under way to it; any more are dropped.
pub const COPIES_MAX: u32 = 1_024;

/// Copies for all mirrors together that the mirroring thread has not yet taken.
pub const COPIES_QUEUED_MAX: usize = 4_096;

/// Bytes of copies, heads and bodies, that wait or are under way in all.
pub const COPIES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of a request's body that is copied; a longer one is not.
pub const COPY_BODY_BYTES_MAX: usize = 256 * 1024;

/// Bytes of an answer to a copy that are read, so that its connection can be used again; after that it is
/// closed.
pub const COPY_ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Copies under way to one mirror at once: with answers in 10 ms, 6,400 a second. A mirror that is slower
/// than its traffic gets less of it, not more at once.
pub const COPIES_UNDER_WAY_MAX: usize = 64;

/// Failures in a row after which a mirror gets no copies for a while (Envoy's count for ejections).
pub const MIRROR_FAILURES: u32 = 5;

/// How urgent the mirroring thread is, by Linux's `nice`: the least. Of processors that are busy it gets a
/// sixtieth of what a worker gets, of others as much as it needs.
pub const MIRROR_NICENESS: i32 = 19;

/// How long an answer that nobody asks for is kept, however fresh it is.
pub const CACHE_IDLE_MAX: Duration = Duration::from_secs(24 * 3600);

/// How long a request waits at most for another one that asks for the same; then it goes by itself. Longer
/// than most answers take, and bearable where one does not come.
pub const CACHE_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long requests do not wait for each other after an answer that was not to be kept (Varnish's
/// hit-for-miss takes 120 s; an upstream that mends its ways should be noticed sooner).
pub const CACHE_ALONE: Duration = Duration::from_secs(10);

/// Answers of which that is remembered.
pub const CACHE_ALONE_MAX: u64 = 10_000;
