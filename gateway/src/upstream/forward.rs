//! The loop over attempts: choose an endpoint, send, and try another where that is safe.
//!
//! A request that was not sent may be sent again whatever its method. One that was sent may have had
//! its effect: it is repeated only if its method is idempotent (RFC 9110, section 9.2.2) or the route
//! says that any may be. Every repetition comes out of the upstream's retry budget, but for one: where no
//! connection could be opened nobody has borne anything, and the request moves on to the next endpoint.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use hyper::body::Incoming;
use route_table::table::RetryPolicy;
use smallvec::SmallVec;
use telemetry::trace::TraceContext;

use crate::balance::{Endpoint, InFlight, Instant, Selection, select};
use crate::edge::{Exchange, RequestBody, Upload, UploadFailure};
use crate::respond::Failure;
use crate::state::WorkerState;
use crate::telemetry::AttemptOutcome;
use crate::upstream::affinity::Affinity;
use crate::upstream::attempt::{AttemptError, attempt};
use crate::upstream::backoff;
use crate::upstream::circuit::Permit;
use crate::upstream::connection::Connection;
use crate::upstream::fault::Fault;
use crate::upstream::unusable::{self, Unusable};
use crate::upstream::{Lease, UpstreamState};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What forwarding needs besides the request.
#[derive(Debug)]
pub(crate) struct Forward<'f> {
    pub(crate) worker: &'f Arc<WorkerState>,
    pub(crate) upstream: &'f Arc<UpstreamState>,
    pub(crate) upload: Option<Arc<Upload>>,
    pub(crate) retries: &'f RetryPolicy,
    /// One attempt's time, if it is less than the request's.
    pub(crate) try_timeout: Option<Duration>,
    pub(crate) affinity: Affinity,
    /// The client's host is not passed on: each request is for the endpoint's own.
    pub(crate) names_endpoint: bool,
}

/// What an attempt has come to.
enum Outcome {
    Answered(Response<Incoming>, Connection),
    /// There is no connection to the endpoint; the request came back whole.
    NotConnected(Box<Request<RequestBody>>),
    /// Not a byte went out: the request came back whole.
    NotSent(Box<Request<RequestBody>>),
    /// It went out, and the endpoint has not looked at it.
    Unprocessed(Failure),
    /// It may have had its effect.
    Failed(Failure),
    /// Not the endpoint's fault: no other can do better.
    Refused(Failure),
}

/// Whether there is to be another attempt.
enum Verdict {
    Answer(Response<Incoming>, Connection),
    Again(Box<Request<RequestBody>>, Duration),
    /// To the next endpoint at once, at no cost.
    MoveOn(Box<Request<RequestBody>>),
    Fail(Failure),
}

/// Sends `request` until an endpoint answers or no safe attempt is left.
///
/// # Errors
/// The [`Failure`] of the last attempt.
pub(crate) async fn forward(
    forward: Forward<'_>,
    mut request: Box<Request<RequestBody>>,
    exchange: &mut Exchange,
) -> Result<(Response<Incoming>, Lease), Failure> {
    let permit = Permit::take(forward.upstream).ok_or(Failure::CircuitOpen)?;
    let mut now = forward.now();
    forward.upstream.retry_budget.count_request(now);
    let spare = Spare::of(&request, forward.retries);
    let mut trail = Trail::default();
    loop {
        let endpoint = forward
            .choose(&trail.tried, now)
            .ok_or(Failure::NoEndpoint)?;
        let in_flight = endpoint.begin();
        endpoint.standing.begin(now);
        trail.tried.push(endpoint.id);
        exchange.begin_attempt(&endpoint, now);
        set_traceparent(request.headers_mut(), &exchange.trace);
        if forward.names_endpoint {
            set_host(request.headers_mut(), &endpoint);
        }

        let outcome = forward.send_once(&in_flight, request, exchange).await;
        let (again, pause) = match forward.judge(outcome, &spare, &trail) {
            Verdict::Answer(response, connection) => {
                let answered_by = in_flight.endpoint();
                exchange.set_cookie = forward.affinity.renewed(forward.upstream, answered_by);
                let worker = Arc::clone(forward.worker);
                let lease = Lease::new(connection, in_flight, worker, permit, forward.upload);
                return Ok((response, lease));
            }
            Verdict::Fail(failure) => return Err(failure),
            Verdict::Again(again, pause) => (again, pause),
            Verdict::MoveOn(again) => {
                trail.moved_on += 1;
                (again, Duration::ZERO)
            }
        };
        request = again;
        let name = &forward.upstream.config.name;
        forward.worker.gateway.metrics.count_retry(name);
        drop(in_flight);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        now = forward.now();
    }
}

/// Where a request has been.
#[derive(Debug, Default)]
struct Trail {
    /// Ids of endpoints.
    tried: SmallVec<[u64; 4]>,
    /// To how many of them there was no connection, so that the request moved on.
    moved_on: usize,
}

impl Trail {
    /// Attempts that count.
    fn attempts(&self) -> u32 {
        u32::try_from(self.tried.len() - self.moved_on).unwrap_or(u32::MAX)
    }
}

impl Forward<'_> {
    fn now(&self) -> Instant {
        self.worker.gateway.clock.now()
    }

    fn choose(&self, tried: &[u64], now: Instant) -> Option<Arc<Endpoint>> {
        let selection = Selection {
            tried,
            sticky: self.affinity.cookie,
            hash: self.affinity.hash,
            random: fastrand::u64(..),
            now,
        };
        select(&self.upstream.endpoints(), &selection)
    }

    /// One attempt, measured and counted.
    async fn send_once(
        &self,
        in_flight: &InFlight,
        request: Box<Request<RequestBody>>,
        exchange: &mut Exchange,
    ) -> Outcome {
        let endpoint = in_flight.endpoint();
        let attempt = pin!(attempt(self.worker, self.upstream, endpoint, request));
        let attempt = match self.try_timeout {
            None => Some(attempt.await),
            Some(limit) => tokio::time::timeout(limit, attempt).await.ok(),
        };
        let now = self.now();
        let latency = exchange.end_attempt(now);
        match attempt {
            Some(Ok((response, connection))) => {
                if let Err(unusable) = unusable::check(response.headers()) {
                    return self.refuse(endpoint, unusable);
                }
                let status = response.status();
                self.worker
                    .record_answer(self.upstream, endpoint, status, latency, now);
                Outcome::Answered(response, connection)
            }
            Some(Err(AttemptError::NotSent { error, .. })) if error.is_circuit_open() => {
                self.count(endpoint, AttemptOutcome::Cancelled);
                Outcome::Refused(Failure::CircuitOpen)
            }
            Some(Err(AttemptError::NotSent { request, error })) => {
                tracing::debug!(endpoint = %endpoint.name, %error, "request not sent");
                if error.is_stream_refused() {
                    self.record_failure(endpoint, AttemptOutcome::ConnectError);
                    Outcome::NotSent(request)
                } else {
                    self.worker
                        .record_unreachable(self.upstream, endpoint, &error);
                    Outcome::NotConnected(request)
                }
            }
            Some(Err(AttemptError::Broken { error, fault })) => {
                if let Some(failure) = self.upload_failure() {
                    self.count(endpoint, AttemptOutcome::Cancelled);
                    return Outcome::Refused(failure);
                }
                tracing::debug!(endpoint = %endpoint.name, %error, "request broken off");
                if let Fault::Unusable(unusable) = fault {
                    return self.refuse(endpoint, unusable);
                }
                let (failure, outcome) = broken(fault);
                self.record_failure(endpoint, outcome);
                if fault.is_unprocessed() {
                    Outcome::Unprocessed(failure)
                } else {
                    Outcome::Failed(failure)
                }
            }
            None => {
                self.record_failure(endpoint, AttemptOutcome::Timeout);
                Outcome::Failed(Failure::UpstreamTimeout)
            }
        }
    }

    /// Decides what an attempt's outcome means for the request.
    fn judge(&self, outcome: Outcome, spare: &Spare, trail: &Trail) -> Verdict {
        match outcome {
            Outcome::Answered(response, connection) => {
                let pause = self
                    .pause_after(&response, trail)
                    .filter(|_| spare.repeatable && self.may_retry(trail));
                match pause.and_then(|pause| Some((spare.copy(self.upload.as_ref())?, pause))) {
                    Some((again, pause)) => Verdict::Again(again, pause),
                    None => Verdict::Answer(response, connection),
                }
            }
            Outcome::NotConnected(request) if self.may_move_on(trail) => Verdict::MoveOn(request),
            Outcome::NotConnected(request) | Outcome::NotSent(request) if self.may_retry(trail) => {
                // Somebody else may be well: there is nothing to wait for.
                let another = self.upstream.endpoints().len() > trail.tried.len();
                let pause = if another {
                    Duration::ZERO
                } else {
                    self.pause(trail)
                };
                Verdict::Again(request, pause)
            }
            Outcome::NotConnected(_) | Outcome::NotSent(_) => {
                Verdict::Fail(Failure::UpstreamUnreachable)
            }
            Outcome::Unprocessed(failure) => {
                let again = spare.copy(self.upload.as_ref());
                match again.filter(|_| self.may_retry(trail)) {
                    Some(again) => Verdict::Again(again, self.pause(trail)),
                    None => Verdict::Fail(failure),
                }
            }
            Outcome::Failed(failure) => {
                let wanted = match failure {
                    Failure::UpstreamReset => self.retries.on.reset,
                    Failure::UpstreamTimeout => self.retries.on.timeout,
                    _ => false,
                };
                let allowed = wanted && spare.repeatable && self.may_retry(trail);
                let again = allowed.then(|| spare.copy(self.upload.as_ref())).flatten();
                match again {
                    Some(again) => Verdict::Again(again, self.pause(trail)),
                    None => Verdict::Fail(failure),
                }
            }
            Outcome::Refused(failure) => Verdict::Fail(failure),
        }
    }

    /// How long to wait before asking again because of this answer; `None`: the answer stands.
    fn pause_after(&self, response: &Response<Incoming>, trail: &Trail) -> Option<Duration> {
        if !self.retries.on.status(response.status()) {
            return None;
        }
        match backoff::asked_for(response.headers()) {
            None => Some(self.pause(trail)),
            Some(asked) if asked <= self.retries.backoff_max => Some(asked.max(self.pause(trail))),
            // The client can wait for so long as well as we can.
            Some(_) => None,
        }
    }

    fn pause(&self, trail: &Trail) -> Duration {
        backoff::pause(self.retries, trail.attempts(), fastrand::u64(..))
    }

    /// Whether there is an endpoint that this request has not tried and that is not out of reach. Each
    /// request goes to each endpoint once at most, and where nobody can be reached, nowhere else.
    fn may_move_on(&self, trail: &Trail) -> bool {
        let now = self.now();
        let is_open = |endpoint: &Arc<Endpoint>| {
            !trail.tried.contains(&endpoint.id) && endpoint.standing.is_reachable(now)
        };
        self.retries.attempts > 0 && self.upstream.endpoints().iter().any(is_open)
    }

    /// Asked last: it takes from the upstream's budget.
    fn may_retry(&self, trail: &Trail) -> bool {
        if trail.attempts() > self.retries.attempts {
            return false;
        }
        let rules = self.upstream.config.retry_budget;
        self.upstream.retry_budget.take_retry(rules, self.now())
    }

    /// Takes an answer that cannot be passed on.
    fn refuse(&self, endpoint: &Endpoint, unusable: Unusable) -> Outcome {
        self.count(endpoint, AttemptOutcome::Malformed);
        let clock = self.worker.gateway.clock;
        let complaint = self.upstream.complaints.about(endpoint, clock);
        complaint.make(&unusable);
        Outcome::Failed(Failure::UpstreamMalformed)
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
        match self.upload.as_ref()?.failure()? {
            // The limit is filled in by the pipeline, which knows the route.
            UploadFailure::TooLarge => Some(Failure::BodyTooLarge { limit_bytes: 0 }),
            UploadFailure::Broken => Some(Failure::BodyBroken),
            UploadFailure::Stalled => Some(Failure::BodyStalled),
            UploadFailure::Superseded => None,
        }
    }
}

/// A second copy of the head of a request, to be sent again.
struct Spare {
    head: Option<Request<()>>,
    /// Whether a request that may have had its effect may be sent again.
    repeatable: bool,
}

impl Spare {
    fn of(request: &Request<RequestBody>, retries: &RetryPolicy) -> Self {
        let copied = || {
            let mut copy = Request::new(());
            *copy.method_mut() = request.method().clone();
            *copy.uri_mut() = request.uri().clone();
            *copy.headers_mut() = request.headers().clone();
            copy
        };
        Self {
            head: (retries.attempts > 0).then(copied),
            repeatable: retries.any_method || request.method().is_idempotent(),
        }
    }

    /// The request once more; `None` when its body is gone.
    fn copy(&self, upload: Option<&Arc<Upload>>) -> Option<Box<Request<RequestBody>>> {
        let head = self.head.clone()?;
        let body = match upload {
            None => RequestBody::empty(),
            Some(upload) => upload.again()?,
        };
        Some(Box::new(head.map(|()| body)))
    }
}

/// Each attempt is a span of its own, child of the request's.
pub(crate) fn set_traceparent(headers: &mut HeaderMap, trace: &TraceContext) {
    let text = trace.child().traceparent();
    if let Ok(value) = HeaderValue::from_bytes(&text) {
        headers.insert(TRACEPARENT, value);
    }
}

pub(super) fn set_host(headers: &mut HeaderMap, endpoint: &Endpoint) {
    match &endpoint.host {
        Some(host) => headers.insert(HOST, host.clone()),
        None => headers.remove(HOST),
    };
}

/// Tells garbage from a connection that broke.
pub(super) fn broken(fault: Fault) -> (Failure, AttemptOutcome) {
    match fault {
        Fault::Malformed | Fault::Unusable(_) => {
            (Failure::UpstreamMalformed, AttemptOutcome::Malformed)
        }
        Fault::Untrusted => (Failure::UpstreamUnreachable, AttemptOutcome::ConnectError),
        Fault::Reset | Fault::Refused => (Failure::UpstreamReset, AttemptOutcome::Reset),
    }
}
