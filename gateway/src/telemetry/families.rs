//! The metric families and their names, help texts and types.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

use super::answer_families::AnswerFamilies;
use super::auth_families::AuthFamilies;
use super::duration_histogram::DurationHistogram;
use super::labels::{
    AttemptLabels, CacheLabels, CopyLabels, EjectionLabels, EndpointStateLabels, FileLabel,
    HealthCheckLabels, KindLabel, LimitLabels, ListenerLabel, ReasonLabel, RequestLabels,
    ResultLabel, RouteLabel, UpstreamLabel,
};

static NEXT_OWNER: AtomicU64 = AtomicU64::new(1);

/// Every metric of the gateway.
pub(super) struct Families {
    pub(super) registry: Registry,
    /// Tells this instance's handles from another's.
    pub(super) owner: u64,
    pub(super) epoch: AtomicU64,
    pub(super) requests: Family<RequestLabels, Counter>,
    pub(super) request_duration: Family<RouteLabel, DurationHistogram>,
    pub(super) requests_in_flight: Gauge,
    pub(super) failures: Family<ReasonLabel, Counter>,
    pub(super) answers: AnswerFamilies,
    pub(super) attempts: Family<AttemptLabels, Counter>,
    pub(super) retries: Family<UpstreamLabel, Counter>,
    pub(super) ejections: Family<EjectionLabels, Counter>,
    pub(super) health_checks: Family<HealthCheckLabels, Counter>,
    pub(super) endpoints: Family<EndpointStateLabels, Gauge>,
    pub(super) panic: Family<UpstreamLabel, Gauge>,
    pub(super) cache: CacheFamilies,
    pub(super) copies: Family<CopyLabels, Counter>,
    pub(super) upstream_connections: Family<UpstreamLabel, Gauge>,
    pub(super) connections: Family<ListenerLabel, Gauge>,
    pub(super) connections_parked: Family<ListenerLabel, Gauge>,
    pub(super) connection_errors: Family<KindLabel, Counter>,
    pub(super) config_generation: Gauge,
    pub(super) config_last_reload_success: Gauge,
    pub(super) config_last_reload_timestamp: Gauge,
    pub(super) config_reloads: Family<ResultLabel, Counter>,
    pub(super) config_file_refused: Family<FileLabel, Gauge>,
    pub(super) limit_refused: Family<LimitLabels, Counter>,
    pub(super) auth: AuthFamilies,
    pub(super) access_log_dropped: Counter,
}

/// Those of the response cache.
pub(super) struct CacheFamilies {
    pub(super) requests: Family<CacheLabels, Counter>,
    pub(super) bytes: Gauge,
    pub(super) entries: Gauge,
    pub(super) evictions: Counter,
}

/// The registry while it is being filled.
pub(super) struct Registering(Registry);

impl Registering {
    pub(super) fn add<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        let metric = M::default();
        self.0.register(name, help, metric.clone());
        metric
    }
}

impl CacheFamilies {
    fn register(new: &mut Registering) -> Self {
        Self {
            requests: new.add(
                "cache_requests",
                "Requests of routes whose answers are kept, by what the cache did",
            ),
            bytes: new.add("cache_bytes", "Bytes of answers that are kept, about"),
            entries: new.add("cache_entries", "Answers that are kept"),
            evictions: new.add("cache_evictions", "Answers that had to give way to others"),
        }
    }
}

impl Families {
    pub(super) fn register() -> Self {
        let mut new = Registering(Registry::with_prefix("gateway"));
        Self {
            owner: NEXT_OWNER.fetch_add(1, Ordering::Relaxed),
            epoch: AtomicU64::new(0),
            requests: new.add("requests", "Requests answered"),
            request_duration: new.add(
                "request_duration_seconds",
                "From a request's first byte to its answer's last",
            ),
            requests_in_flight: new
                .add("requests_in_flight", "Requests not yet answered to the end"),
            failures: new.add(
                "failures",
                "Requests that the gateway answered itself, by reason",
            ),
            answers: AnswerFamilies::register(&mut new),
            attempts: new.add("upstream_requests", "Attempts at an endpoint, by outcome"),
            retries: new.add("upstream_retries", "Attempts after the first"),
            ejections: new.add(
                "upstream_ejections",
                "Endpoints taken out for failing, by reason",
            ),
            health_checks: new.add("upstream_health_checks", "Active checks, by result"),
            endpoints: new.add("upstream_endpoints", "Endpoints known, by state"),
            panic: new.add(
                "upstream_panic",
                "Whether so few endpoints are usable that all are used",
            ),
            cache: CacheFamilies::register(&mut new),
            copies: new.add(
                "mirrored_requests",
                "Copies of requests for a mirror, by what became of them",
            ),
            upstream_connections: new.add("upstream_connections", "Open connections to endpoints"),
            connections: new.add("connections", "Open client connections"),
            connections_parked: new.add(
                "connections_parked",
                "Idle HTTP/1.1 client connections that hold no buffers",
            ),
            connection_errors: new.add(
                "connection_errors",
                "Client connections that ended badly, by kind",
            ),
            config_generation: new.add("config_generation", "Generation of the table in use"),
            config_last_reload_success: new.add(
                "config_last_reload_success",
                "Whether the last reload was applied",
            ),
            config_last_reload_timestamp: new.add(
                "config_last_reload_timestamp_seconds",
                "When the table in use was applied, in seconds since 1970",
            ),
            config_reloads: new.add("config_reloads", "Reloads of the table, by result"),
            config_file_refused: new.add(
                "config_file_refused",
                "Files of the table that serve on as they were last good",
            ),
            limit_refused: new.add("limit_refused", "Requests beyond a limit"),
            auth: AuthFamilies::register(&mut new),
            access_log_dropped: new.add("access_log_dropped", "Access-log lines not written"),
            registry: new.0,
        }
    }
}
