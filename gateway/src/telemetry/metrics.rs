//! The gateway's metrics, in OpenMetrics text.
//!
//! Names and labels are stable and documented in `docs/observability.md`. Labels are names of the
//! route table and closed lists of words; no path, host or user of a request ever becomes a label.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use route_table::table::{Encoding, RouteId, UpstreamId};

use crate::balance::EjectionReason;
use crate::cache::Usage;
use crate::defaults::COMPRESSIONS_MAX;

use super::families::Families;
use super::handles::{self, RequestHandles, RequestKey, Validity};
use super::labels::{
    AttemptLabels, AuthLabels, CacheLabels, CopyLabels, EjectionLabels, EncodingLabel,
    EncodingSideLabels, EndpointStateLabels, FileLabel, HealthCheckLabels, KindLabel, LimitLabels,
    ListenerLabel, NONE, ProviderLabel, ProviderResultLabels, ReasonLabel, RequestLabels,
    ResultLabel, RouteLabel, RouteResultLabels, UpstreamLabel, method_label,
};

/// All metrics. Clones share them.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Families>);

/// One request that has been answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestRecord<'r> {
    /// The configuration that the ids are of.
    pub(crate) generation: u64,
    /// `None`: no route took it.
    pub(crate) route: Option<(RouteId, &'r Arc<str>)>,
    pub(crate) method: &'r Method,
    pub(crate) status: StatusCode,
    /// `None`: it got to no upstream.
    pub(crate) upstream: Option<(UpstreamId, &'r Arc<str>)>,
    pub(crate) duration: Duration,
    /// The failure's code, if the answer is ours.
    pub(crate) failure: Option<&'static str>,
}

/// How one attempt at an upstream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AttemptOutcome {
    /// An answer below 500.
    Answered,
    /// An answer of 500 and above.
    ServerError,
    ConnectError,
    /// The connection broke before the answer's headers.
    Reset,
    /// What came back is no HTTP.
    Malformed,
    Timeout,
    /// The client left first, or its body broke.
    Cancelled,
}

impl AttemptOutcome {
    /// What an answer of this status comes to.
    pub(crate) fn of(status: StatusCode) -> Self {
        if status.is_server_error() {
            Self::ServerError
        } else {
            Self::Answered
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::ServerError => "server_error",
            Self::ConnectError => "connect_error",
            Self::Reset => "reset",
            Self::Malformed => "malformed",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
        }
    }
}

/// An open connection, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionGuard {
    open: Gauge,
    parked: Gauge,
}

impl ConnectionGuard {
    /// Counts the connection as parked too until the guard is dropped.
    pub(crate) fn parked(&self) -> ParkedGuard<'_> {
        self.parked.inc();
        ParkedGuard(&self.parked)
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// A parked connection, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct ParkedGuard<'c>(&'c Gauge);

impl Drop for ParkedGuard<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// An answer that is being compressed, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct CompressionGuard {
    open: Gauge,
    before: Counter,
    after: Counter,
}

impl CompressionGuard {
    /// Counts bytes as the upstream has sent them.
    pub(crate) fn read(&self, bytes: usize) {
        self.before.inc_by(bytes as u64);
    }

    /// Counts bytes as the client gets them.
    pub(crate) fn wrote(&self, bytes: usize) {
        self.after.inc_by(bytes as u64);
    }
}

impl Drop for CompressionGuard {
    fn drop(&mut self) {
        self.open.dec();
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Families::register()))
    }

    /// Returns all metrics as OpenMetrics text.
    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.0.registry)
            .expect("writing to a string does not fail");
        text
    }

    fn validity(&self) -> Validity {
        Validity {
            owner: self.0.owner,
            epoch: self.0.epoch.load(Ordering::Relaxed),
        }
    }

    /// Counts a request as in flight until [`Metrics::record_request`] has it.
    /// Requests not yet answered to the end.
    pub(crate) fn requests_in_flight(&self) -> u64 {
        u64::try_from(self.0.requests_in_flight.get()).unwrap_or(0)
    }

    pub(crate) fn request_started(&self) {
        self.0.requests_in_flight.inc();
    }

    /// Takes back [`Metrics::request_started`] for what was no client's request.
    pub(crate) fn request_forgotten(&self) {
        self.0.requests_in_flight.dec();
    }

    /// Counts a request of a route whose answers are kept.
    pub(crate) fn count_cached(&self, route: &Arc<str>, outcome: &'static str) {
        let route = Arc::clone(route);
        inc(&self.0.cache.requests, &CacheLabels { route, outcome });
    }

    /// Says how much is kept.
    pub(crate) fn set_cache(&self, usage: Usage) {
        let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.0.cache.bytes.set(number(usage.bytes));
        self.0.cache.entries.set(number(usage.entries));
        let counted = self.0.cache.evictions.get();
        self.0
            .cache
            .evictions
            .inc_by(usage.evictions.saturating_sub(counted));
    }

    /// Records a request that has been answered to its end.
    pub(crate) fn record_request(&self, record: &RequestRecord<'_>) {
        self.0.requests_in_flight.dec();
        let key = RequestKey {
            route: record.route.map(|(id, _)| id.0),
            upstream: record.upstream.map(|(id, _)| id.0),
            method: method_label(record.method),
            status: record.status.as_u16(),
        };
        handles::with_request(
            self.validity(),
            record.generation,
            key,
            || self.resolve(record),
            |handles| {
                handles.count.inc();
                handles.duration.observe(record.duration);
            },
        );
        if let Some(reason) = record.failure {
            self.0.failures.get_or_create(&ReasonLabel { reason }).inc();
        }
    }

    fn resolve(&self, record: &RequestRecord<'_>) -> RequestHandles {
        let name = |known: Option<&Arc<str>>| known.map_or_else(|| NONE.into(), Arc::clone);
        let route = name(record.route.map(|(_, name)| name));
        let labels = RequestLabels {
            route: Arc::clone(&route),
            method: method_label(record.method),
            status: record.status.as_u16(),
            upstream: name(record.upstream.map(|(_, name)| name)),
        };
        RequestHandles {
            count: self.0.requests.get_or_create_owned(&labels),
            duration: self
                .0
                .request_duration
                .get_or_create_owned(&RouteLabel { route }),
        }
    }

    /// Counts a preflight that was answered.
    pub(crate) fn count_preflight(&self, route: &Arc<str>, is_allowed: bool) {
        let route = Arc::clone(route);
        let result = if is_allowed { "allowed" } else { "refused" };
        inc(
            &self.0.answers.preflights,
            &RouteResultLabels { route, result },
        );
    }

    /// Counts an answer as being compressed; `None` when so many are that it should not be.
    pub(crate) fn compressing(&self, encoding: Encoding) -> Option<CompressionGuard> {
        let open = self.0.answers.compressing.clone();
        if open.inc() >= i64::from(COMPRESSIONS_MAX) {
            open.dec();
            return None;
        }
        let encoding = encoding.as_str();
        inc(&self.0.answers.compressed, &EncodingLabel { encoding });
        let bytes = |side| {
            let labels = EncodingSideLabels { encoding, side };
            self.0.answers.compressed_bytes.get_or_create_owned(&labels)
        };
        Some(CompressionGuard {
            open,
            before: bytes("before"),
            after: bytes("after"),
        })
    }

    /// Counts one attempt at an endpoint; `endpoint_id` is unique in this process.
    pub(crate) fn count_attempt(
        &self,
        upstream: &Arc<str>,
        endpoint_id: u64,
        endpoint: &Arc<str>,
        outcome: AttemptOutcome,
    ) {
        let outcome = outcome.as_str();
        handles::count_attempt(self.validity(), (endpoint_id, outcome), || {
            let (upstream, endpoint) = (Arc::clone(upstream), Arc::clone(endpoint));
            self.0.attempts.get_or_create_owned(&AttemptLabels {
                upstream,
                endpoint,
                outcome,
            })
        });
    }

    /// Drops the counters of an endpoint that discovery no longer knows, so that endpoints that come
    /// and go do not pile up.
    pub(crate) fn forget_endpoint(&self, upstream: &Arc<str>, endpoint: &Arc<str>) {
        use AttemptOutcome::{
            Answered, Cancelled, ConnectError, Malformed, Reset, ServerError, Timeout,
        };
        for outcome in [
            Answered,
            ServerError,
            ConnectError,
            Reset,
            Malformed,
            Timeout,
            Cancelled,
        ] {
            let (upstream, endpoint) = (Arc::clone(upstream), Arc::clone(endpoint));
            let outcome = outcome.as_str();
            self.0.attempts.remove(&AttemptLabels {
                upstream,
                endpoint,
                outcome,
            });
        }
        self.0.epoch.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an attempt after the first.
    pub(crate) fn count_retry(&self, upstream: &Arc<str>) {
        inc(
            &self.0.retries,
            &UpstreamLabel {
                upstream: Arc::clone(upstream),
            },
        );
    }

    /// Counts a copy for a mirror: how it ended, or why it was not sent.
    pub(crate) fn count_copy(&self, upstream: &Arc<str>, outcome: &'static str) {
        let upstream = Arc::clone(upstream);
        inc(&self.0.copies, &CopyLabels { upstream, outcome });
    }

    /// Counts an endpoint that was taken out for failing.
    pub(crate) fn count_ejection(&self, upstream: &Arc<str>, reason: EjectionReason) {
        let (upstream, reason) = (Arc::clone(upstream), reason.as_str());
        inc(&self.0.ejections, &EjectionLabels { upstream, reason });
    }

    /// Counts an active check.
    pub(crate) fn count_health_check(&self, upstream: &Arc<str>, passed: bool) {
        let upstream = Arc::clone(upstream);
        let result = if passed { "passed" } else { "failed" };
        inc(
            &self.0.health_checks,
            &HealthCheckLabels { upstream, result },
        );
    }

    /// Says whether so few endpoints of an upstream are usable that all are used.
    pub(crate) fn set_panic(&self, upstream: &Arc<str>, panic: bool) {
        let upstream = Arc::clone(upstream);
        let gauge = self.0.panic.get_or_create(&UpstreamLabel { upstream });
        gauge.set(i64::from(panic));
    }

    /// Says how many endpoints of an upstream are in a state (`available`, `suspect`, `ejected`, `unhealthy`).
    pub(crate) fn set_endpoints(&self, upstream: &Arc<str>, state: &'static str, count: usize) {
        let labels = EndpointStateLabels {
            upstream: Arc::clone(upstream),
            state,
        };
        self.0
            .endpoints
            .get_or_create(&labels)
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Says how many connections to an upstream's endpoints are open.
    pub(crate) fn set_upstream_connections(&self, upstream: &Arc<str>, count: u32) {
        let labels = UpstreamLabel {
            upstream: Arc::clone(upstream),
        };
        self.0
            .upstream_connections
            .get_or_create(&labels)
            .set(i64::from(count));
    }

    /// Counts a client connection until the guard is dropped.
    pub(crate) fn connection_opened(&self, listener: &Arc<str>) -> ConnectionGuard {
        let labels = ListenerLabel {
            listener: Arc::clone(listener),
        };
        let open = self.0.connections.get_or_create_owned(&labels);
        let parked = self.0.connections_parked.get_or_create_owned(&labels);
        open.inc();
        ConnectionGuard { open, parked }
    }

    /// Counts a client connection that ended badly.
    pub(crate) fn count_connection_error(&self, kind: &'static str) {
        inc(&self.0.connection_errors, &KindLabel { kind });
    }

    /// Notes that a table was applied, at the start or by a reload, and the files that are not in it as
    /// they are on disk.
    pub(crate) fn table_applied(&self, generation: u64, refused: &[Arc<str>]) {
        self.0
            .config_generation
            .set(i64::try_from(generation).unwrap_or(i64::MAX));
        self.0.config_last_reload_timestamp.set(unix_time());
        let result = if refused.is_empty() {
            "applied"
        } else {
            "partly"
        };
        self.reloaded(result, refused);
    }

    /// Notes that a table was refused, and which files were; the last good one serves on.
    pub(crate) fn reload_failed(&self, refused: &[Arc<str>]) {
        self.reloaded("refused", refused);
    }

    fn reloaded(&self, result: &'static str, refused: &[Arc<str>]) {
        let success = i64::from(result == "applied");
        self.0.config_last_reload_success.set(success);
        inc(&self.0.config_reloads, &ResultLabel { result });
        self.0.config_file_refused.clear();
        for file in refused {
            let label = FileLabel {
                file: Arc::clone(file),
            };
            self.0.config_file_refused.get_or_create(&label).set(1);
        }
    }

    /// Counts a request beyond a limit; `enforced` says whether it was refused.
    pub(crate) fn count_limit_refused(&self, limit: &Arc<str>, enforced: bool) {
        inc(
            &self.0.limit_refused,
            &LimitLabels {
                limit: Arc::clone(limit),
                enforced,
            },
        );
    }

    /// Counts a request that authentication has refused.
    pub(crate) fn count_auth_refused(&self, provider: &Arc<str>, reason: &'static str) {
        inc(
            &self.0.auth.refused,
            &AuthLabels {
                provider: Arc::clone(provider),
                reason,
            },
        );
    }

    /// Counts a question about a caller, or one that was spared.
    pub(crate) fn count_auth_check(&self, provider: &Arc<str>, result: &'static str) {
        inc(
            &self.0.auth.checks,
            &ProviderResultLabels {
                provider: Arc::clone(provider),
                result,
            },
        );
    }

    /// Counts a version of a file of API keys that can't be used.
    pub(crate) fn count_api_keys_refused(&self, provider: &Arc<str>) {
        inc(
            &self.0.auth.api_keys_refused,
            &ProviderLabel {
                provider: Arc::clone(provider),
            },
        );
    }

    /// Counts a token that was not in the cache and good.
    pub(crate) fn count_token_verified(&self, provider: &Arc<str>) {
        inc(
            &self.0.auth.tokens_verified,
            &ProviderLabel {
                provider: Arc::clone(provider),
            },
        );
    }

    /// Notes a key set that was fetched.
    pub(crate) fn jwks_fetched(&self, provider: &Arc<str>, keys: usize) {
        let label = ProviderLabel {
            provider: Arc::clone(provider),
        };
        self.0
            .auth
            .jwks_keys
            .get_or_create(&label)
            .set(i64::try_from(keys).unwrap_or(i64::MAX));
        self.0
            .auth
            .jwks_last_success_timestamp
            .get_or_create(&label)
            .set(unix_time());
        self.count_jwks(provider, "fetched");
    }

    /// Counts a key set that could not be fetched or used.
    pub(crate) fn jwks_failed(&self, provider: &Arc<str>) {
        self.count_jwks(provider, "failed");
    }

    fn count_jwks(&self, provider: &Arc<str>, result: &'static str) {
        let provider = Arc::clone(provider);
        inc(
            &self.0.auth.jwks_fetches,
            &ProviderResultLabels { provider, result },
        );
    }

    /// The counter of access-log lines that were not written.
    pub(super) fn access_log_dropped(&self) -> Counter {
        self.0.access_log_dropped.clone()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("owner", &self.0.owner)
            .finish_non_exhaustive()
    }
}

/// For events that are rare enough to be looked up by their labels.
fn inc<L>(family: &Family<L, Counter>, labels: &L)
where
    L: Clone + std::hash::Hash + Eq + EncodeLabelSet,
{
    family.get_or_create(labels).inc();
}

/// Seconds since 1970.
fn unix_time() -> i64 {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
}
