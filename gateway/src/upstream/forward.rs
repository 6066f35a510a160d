//! The loop over attempts: choose an endpoint, send, and try another where that is safe.
//!
//! A request that was not sent may be sent again whatever its method. One that was sent may have had
//! its effect: only `GET` and `HEAD` without a body are repeated.

use std::sync::Arc;
use std::time::Duration;

use http::header::HOST;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use smallvec::SmallVec;

use crate::balance::{Endpoint, Selection, record_failure, select};
use crate::edge::{Exchange, RequestBody, Upload, UploadFailure};
use crate::respond::Failure;
use crate::state::WorkerState;
use crate::telemetry::AttemptOutcome;
use crate::upstream::attempt::{AttemptError, attempt};
use crate::upstream::fault::Fault;
use crate::upstream::{Lease, UpstreamState};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What forwarding needs besides the request.
#[derive(Debug)]
pub(crate) struct Forward<'f> {
    pub(crate) worker: &'f Arc<WorkerState>,
    pub(crate) upstream: &'f Arc<UpstreamState>,
    pub(crate) upload: Option<Arc<Upload>>,
    /// Attempts after the first.
    pub(crate) retries: u32,
}

/// Sends `request` until an endpoint answers or no safe attempt is left.
///
/// # Errors
/// The [`Failure`] of the last attempt.
pub(crate) async fn forward(
    forward: Forward<'_>,
    mut request: Request<RequestBody>,
    exchange: &mut Exchange,
) -> Result<(Response<Incoming>, Lease), Failure> {
    // Every HTTP/1.1 request names its host; where the client's is not passed on, it is the endpoint's.
    let names_endpoint = !request.headers().contains_key(HOST);
    let mut spare = Spare::of(&request, forward.retries);
    let mut tried = SmallVec::<[u64; 4]>::new();
    loop {
        let endpoint = forward.choose(&tried).ok_or(Failure::NoEndpoint)?;
        let in_flight = endpoint.begin();
        tried.push(endpoint.id);
        exchange.begin_attempt(&endpoint);
        set_traceparent(&mut request, exchange);
        if names_endpoint {
            set_host(&mut request, &endpoint);
        }

        let outcome = attempt(forward.worker, forward.upstream, &endpoint, request).await;
        let may_retry = exchange.attempts <= forward.retries;
        let latency = exchange.end_attempt();
        match outcome {
            Ok((response, connection)) => {
                forward.record_success(&endpoint, latency, response.status());
                let lease = Lease::new(
                    connection,
                    in_flight,
                    Arc::clone(forward.worker),
                    forward.upload,
                );
                return Ok((response, lease));
            }
            Err(AttemptError::NotSent {
                request: unsent,
                error,
            }) => {
                tracing::debug!(endpoint = %endpoint.authority, %error, "request not sent");
                forward.record_failure(&endpoint, AttemptOutcome::ConnectError);
                if !may_retry {
                    return Err(Failure::UpstreamUnreachable);
                }
                request = *unsent;
            }
            Err(AttemptError::Broken { error, fault }) => {
                if let Some(failure) = forward.upload_failure() {
                    forward.count(&endpoint, AttemptOutcome::Cancelled);
                    return Err(failure);
                }
                tracing::debug!(endpoint = %endpoint.authority, %error, "request broken off");
                let (failure, outcome) = broken(fault);
                forward.record_failure(&endpoint, outcome);
                request = match spare.take() {
                    Some(again) if may_retry => again,
                    _ => return Err(failure),
                };
                spare = Spare::of(&request, forward.retries);
            }
        }
        forward
            .worker
            .gateway
            .metrics
            .count_retry(&forward.upstream.config.name);
    }
}

impl Forward<'_> {
    fn choose(&self, tried: &[u64]) -> Option<Arc<Endpoint>> {
        let selection = Selection {
            policy: &self.upstream.config.balance,
            tried,
            turn: &self.upstream.turn,
            random: fastrand::u64(..),
            now: self.worker.gateway.clock.now(),
        };
        select(&self.upstream.endpoints(), &selection)
    }

    fn record_success(&self, endpoint: &Endpoint, latency: Duration, status: StatusCode) {
        endpoint.record_success();
        endpoint
            .latency
            .observe(latency, self.worker.gateway.clock.now());
        let server_error = status.is_server_error();
        self.count(
            endpoint,
            match server_error {
                true => AttemptOutcome::ServerError,
                false => AttemptOutcome::Answered,
            },
        );
    }

    fn record_failure(&self, endpoint: &Endpoint, outcome: AttemptOutcome) {
        self.worker
            .record_endpoint_failure(self.upstream, endpoint, outcome);
    }

    fn count(&self, endpoint: &Endpoint, outcome: AttemptOutcome) {
        self.worker.count_attempt(self.upstream, endpoint, outcome);
    }

    /// The client's fault, if it is that and not the upstream's.
    fn upload_failure(&self) -> Option<Failure> {
        self.upload
            .as_ref()?
            .failure()
            .map(|failure| match failure {
                // The limit is filled in by the pipeline, which knows the route.
                UploadFailure::TooLarge => Failure::BodyTooLarge { limit_bytes: 0 },
                UploadFailure::Broken => Failure::BodyBroken,
                UploadFailure::Stalled => Failure::BodyStalled,
            })
    }
}

impl WorkerState {
    /// Counts a failure of `endpoint` and ejects it when there were too many.
    pub(crate) fn record_endpoint_failure(
        &self,
        upstream: &UpstreamState,
        endpoint: &Endpoint,
        outcome: AttemptOutcome,
    ) {
        self.count_attempt(upstream, endpoint, outcome);
        let now = self.gateway.clock.now();
        if record_failure(endpoint, &upstream.endpoints(), now) {
            self.gateway.metrics.count_ejection(&upstream.config.name);
            tracing::warn!(
                upstream = %upstream.config.name,
                endpoint = %endpoint.authority,
                "endpoint ejected after consecutive failures"
            );
        }
    }

    fn count_attempt(
        &self,
        upstream: &UpstreamState,
        endpoint: &Endpoint,
        outcome: AttemptOutcome,
    ) {
        let name = &upstream.config.name;
        self.gateway
            .metrics
            .count_attempt(name, endpoint.id, &endpoint.authority, outcome);
    }
}

/// A second copy of a request that may be sent twice.
struct Spare(Option<Request<RequestBody>>);

impl Spare {
    fn of(request: &Request<RequestBody>, retries: u32) -> Self {
        let repeatable = matches!(*request.method(), Method::GET | Method::HEAD)
            && request.body().is_end_stream()
            && retries > 0;
        Self(repeatable.then(|| {
            let mut copy = Request::new(RequestBody::empty());
            *copy.method_mut() = request.method().clone();
            *copy.uri_mut() = request.uri().clone();
            *copy.headers_mut() = request.headers().clone();
            copy
        }))
    }

    fn take(&mut self) -> Option<Request<RequestBody>> {
        self.0.take()
    }
}

/// Each attempt is a span of its own, child of the request's.
fn set_traceparent(request: &mut Request<RequestBody>, exchange: &Exchange) {
    let text = exchange.trace.child().traceparent();
    if let Ok(value) = HeaderValue::from_bytes(&text) {
        request.headers_mut().insert(TRACEPARENT, value);
    }
}

fn set_host(request: &mut Request<RequestBody>, endpoint: &Endpoint) {
    if let Ok(authority) = HeaderValue::from_str(&endpoint.authority) {
        request.headers_mut().insert(HOST, authority);
    }
}

/// Tells garbage from a connection that broke.
fn broken(fault: Fault) -> (Failure, AttemptOutcome) {
    match fault {
        Fault::Malformed => (Failure::UpstreamMalformed, AttemptOutcome::Malformed),
        Fault::Untrusted => (Failure::UpstreamUnreachable, AttemptOutcome::ConnectError),
        Fault::Reset | Fault::Refused => (Failure::UpstreamReset, AttemptOutcome::Reset),
    }
}
