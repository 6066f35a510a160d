//! The record of one request, from its first byte to the last byte of its answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderValue, Method, Request, StatusCode, Uri, Version};
use route_table::table::{
    Encoding, ListenerKind, ListenerTimeouts, MigrationId, RouteId, UpstreamId,
};
use smallvec::SmallVec;
use telemetry::trace::TraceContext;

use crate::balance::{self, Endpoint};
use crate::cache::Outcome;
use crate::edge::{Upload, forwarded};
use crate::limits::{Decision, Place};
use crate::listener::{Activity, Answering, ClientCertificate};
use crate::respond::{Failure, Source};
use crate::routing::Snapshot;
use crate::state::GatewayState;
use crate::telemetry::{AccessRecord, MatchValues, RequestRecord};
use crate::upstream::Tunnel;

/// What all requests of a connection share.
#[derive(Debug)]
pub(crate) struct ConnectionInfo {
    pub(crate) listener: Arc<str>,
    pub(crate) kind: ListenerKind,
    /// Whoever connected, or whom the balancer in front of us names in its PROXY header.
    pub(crate) peer: SocketAddr,
    /// The peer's address as upstreams are told it.
    pub(crate) peer_value: HeaderValue,
    pub(crate) https: bool,
    /// By which the client has proved who it is, where it was asked to.
    pub(crate) client_certificate: Option<Arc<ClientCertificate>>,
    pub(crate) timeouts: ListenerTimeouts,
}

/// Filled in step by step on the request's path; dropping it writes the access log's line and counts
/// the metrics, however the request ended.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) gateway: Arc<GatewayState>,
    pub(crate) connection: Arc<ConnectionInfo>,
    /// The generation this request reads, loaded once.
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) request_id: HeaderValue,
    pub(crate) trace: TraceContext,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    /// Lower case, without port; empty until it has been read.
    pub(crate) host: String,
    pub(crate) version: Version,
    pub(crate) client: IpAddr,
    pub(crate) route: Option<RouteId>,
    pub(crate) migration: Option<MigrationId>,
    pub(crate) upstream: Option<UpstreamId>,
    pub(crate) endpoint: Option<Arc<Endpoint>>,
    pub(crate) attempts: u32,
    /// 499 until an answer is chosen: what a client leaves behind that does not wait for it.
    pub(crate) status: StatusCode,
    pub(crate) failure: Option<&'static str>,
    /// What the cache did, on a route that has one.
    pub(crate) cache: Option<Outcome>,
    /// No client waits: it is neither logged nor counted as a request.
    behind: bool,
    pub(crate) nearest_miss: Option<String>,
    /// What the route's limits said, for the response's fields.
    pub(crate) decisions: SmallVec<[Decision; 2]>,
    /// Its places among the requests that may be under way at once.
    pub(crate) places: SmallVec<[Place; 1]>,
    pub(crate) matched_on: Option<Box<MatchValues>>,
    /// What the client would like to be told a failure in.
    pub(crate) accept: Option<HeaderValue>,
    /// The page that may read the answer, on a route that has `cors`.
    pub(crate) allowed_origin: Option<HeaderValue>,
    /// The coding that the client likes best, on a route that has `compress`.
    pub(crate) encoding: Option<Encoding>,
    pub(crate) upload: Option<Arc<Upload>>,
    /// Ties the client to the endpoint that has answered.
    pub(crate) set_cookie: Option<HeaderValue>,
    /// Bytes of a body or, from the client, of a tunnel.
    bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// Both sides have agreed to leave HTTP: the record lasts as long as what follows.
    pub(crate) tunnel: Option<Tunnel>,
    /// Tells the client's connection when it is idle again.
    pub(crate) answering: Answering,
    /// Time spent waiting for response headers, all attempts.
    pub(crate) upstream_time: Duration,
    pub(crate) started: Instant,
    pub(crate) started_at: SystemTime,
    attempt_started: Option<balance::Instant>,
}

impl Exchange {
    pub(crate) fn begin<B>(
        gateway: Arc<GatewayState>,
        connection: Arc<ConnectionInfo>,
        request: &Request<B>,
        request_id: HeaderValue,
        trace: TraceContext,
        answering: Answering,
    ) -> Box<Self> {
        gateway.metrics.request_started();
        Box::new(Self {
            snapshot: gateway.snapshot.load_full(),
            client: connection.peer.ip().to_canonical(),
            request_id,
            trace,
            method: request.method().clone(),
            uri: request.uri().clone(),
            host: String::new(),
            version: request.version(),
            route: None,
            migration: None,
            upstream: None,
            endpoint: None,
            attempts: 0,
            status: client_closed_request(),
            failure: None,
            cache: None,
            behind: false,
            nearest_miss: None,
            decisions: SmallVec::new(),
            places: SmallVec::new(),
            matched_on: None,
            accept: None,
            allowed_origin: None,
            encoding: None,
            upload: None,
            set_cookie: None,
            bytes_in: 0,
            bytes_out: 0,
            tunnel: None,
            answering,
            upstream_time: Duration::ZERO,
            started: Instant::now(),
            started_at: SystemTime::now(),
            attempt_started: None,
            gateway,
            connection,
        })
    }

    /// A record for a request that is sent on this one's behalf, and that no client waits for.
    pub(crate) fn behind<B>(&self, request: &Request<B>) -> Box<Self> {
        let connection = Arc::clone(&self.connection);
        let nobody = Activity::new(self.gateway.clock, connection.timeouts);
        let mut behind = Self::begin(
            Arc::clone(&self.gateway),
            connection,
            request,
            self.request_id.clone(),
            self.trace.child(),
            nobody.answering(),
        );
        behind.behind = true;
        behind.snapshot = Arc::clone(&self.snapshot);
        (behind.client, behind.host) = (self.client, self.host.clone());
        (behind.route, behind.upstream) = (self.route, self.upstream);
        behind
    }

    /// The client's address as upstreams are told it.
    pub(crate) fn client_value(&self) -> HeaderValue {
        if self.client == self.connection.peer.ip().to_canonical() {
            self.connection.peer_value.clone()
        } else {
            forwarded::address_value(self.client)
        }
    }

    /// Whether the caller is one of ours.
    pub(crate) fn is_internal(&self) -> bool {
        self.connection.kind == ListenerKind::Internal
    }

    /// Notes why the answer is ours.
    pub(crate) fn note_failure(&mut self, failure: &Failure) {
        self.failure = Some(failure.code());
        let is_meant = matches!(failure, Failure::Overloaded | Failure::Maintenance { .. });
        if failure.source() == Source::Gateway && !is_meant {
            tracing::error!(request_id = ?self.request_id, code = failure.code(), "gateway failure");
        }
    }

    /// Notes that a request is on its way to `endpoint`.
    pub(crate) fn begin_attempt(&mut self, endpoint: &Arc<Endpoint>, now: balance::Instant) {
        self.attempts += 1;
        self.endpoint = Some(Arc::clone(endpoint));
        self.attempt_started = Some(now);
    }

    /// Notes that the attempt has its outcome, and returns how long it took.
    pub(crate) fn end_attempt(&mut self, now: balance::Instant) -> Duration {
        let started = self.attempt_started.take();
        let took = started.map_or(Duration::ZERO, |started| now.since(started));
        self.upstream_time += took;
        took
    }

    /// Notes what has passed once HTTP was left.
    pub(crate) fn tunnelled(&mut self, from_client: u64, to_client: u64) {
        self.bytes_in += from_client;
        self.bytes_out += to_client;
    }

    fn count(&self, duration: Duration) {
        let table = &self.snapshot.table;
        if let (Some(outcome), Some(id)) = (self.cache, self.route) {
            let metrics = &self.gateway.metrics;
            metrics.count_cached(&table.route(id).name, outcome.as_str());
        }
        self.gateway.metrics.record_request(&RequestRecord {
            generation: self.snapshot.generation,
            route: self.route.map(|id| (id, &table.route(id).name)),
            method: &self.method,
            status: self.status,
            upstream: self.upstream.map(|id| (id, &table.upstream(id).name)),
            duration,
            failure: self.failure,
        });
    }

    fn log(&self, duration: Duration) {
        let table = &self.snapshot.table;
        let migration = self.migration.map(|id| table.migration(id));
        let trace_id = self.trace.trace_id.hex();
        self.gateway.access_log.write(&AccessRecord {
            time: self.started_at,
            listener: &self.connection.listener,
            protocol: protocol(self.version),
            client: self.client,
            method: self.method.as_str(),
            host: &self.host,
            path: self.uri.path(),
            query: self.uri.query(),
            matched_on: self.matched_on.as_deref(),
            request_id: self.request_id.to_str().unwrap_or(""),
            trace_id: std::str::from_utf8(&trace_id).unwrap_or(""),
            route: self.route.map(|id| &*table.route(id).name),
            group: migration.map(|group| &*group.name),
            stage: migration.map(|group| group.stage.as_str()),
            upstream: self.upstream.map(|id| &*table.upstream(id).name),
            endpoint: self.endpoint.as_ref().map(|endpoint| &*endpoint.name),
            attempts: self.attempts,
            status: self.status.as_u16(),
            failure: self.failure,
            cache: self.cache.map(Outcome::as_str),
            nearest_miss: self.nearest_miss.as_deref(),
            bytes_in: self
                .upload
                .as_ref()
                .map_or(self.bytes_in, |upload| upload.bytes()),
            bytes_out: self.bytes_out,
            duration,
            upstream_duration: self.endpoint.is_some().then_some(self.upstream_time),
            generation: self.snapshot.generation,
        });
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.status == client_closed_request() {
            if std::thread::panicking() {
                self.status = StatusCode::INTERNAL_SERVER_ERROR;
            } else if self.failure.is_none() {
                self.failure = Some("client_aborted");
            }
        }
        if self.behind {
            self.gateway.metrics.request_forgotten();
            return;
        }
        let duration = self.started.elapsed();
        self.count(duration);
        self.log(duration);
    }
}

/// No answer was sent because the client had gone; nginx's number for it, which analysers of logs know.
fn client_closed_request() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}

/// As access logs spell it.
fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}
