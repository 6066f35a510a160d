//! The path of a request, top to bottom.
//!
//! ```text
//! listener → TLS → HTTP → global layers (panic, request id, trace)      listener, edge::layers
//!   → hygiene, client address, canonical path                            edge, canonical
//!   → route match → coarse per-address limit                             routing, limits
//!   → authentication → limits                                            auth, limits
//!   → migration decision → balance → upstream attempt(s)                 migration, balance, upstream
//!   → response                                                           respond
//! ```
//!
//! Every step either goes on or ends the request with a [`Failure`]. The steps are decisions of small
//! modules; this file is only their order.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use route_table::RequestFacts;
use route_table::table::{Action, Route, StaticResponse, UpstreamId};
use tower::Service;

use crate::auth::{self, VerifiedToken};
use crate::canonical::{CanonicalPath, canonicalize};
use crate::edge::forwarded::{self, Told, Trust};
use crate::edge::layers::{Answer, Identified};
use crate::edge::request_id::X_REQUEST_ID;
use crate::edge::{Exchange, RequestBody, Upload, cookies, hop_by_hop, hygiene};
use crate::limits::KeyParts;
use crate::listener::redirect;
use crate::migration;
use crate::respond::{self, Failure, ResponseBody, Rewrites, refuse};
use crate::routing::Snapshot;
use crate::state::WorkerState;
use crate::telemetry::AttemptOutcome;
use crate::upstream::{self, Forward};

/// Names the upstream that answered.
const X_SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");

/// Milliseconds that are left for the whole request; taken only from our own callers.
const X_REQUEST_DEADLINE_MS: HeaderName = HeaderName::from_static("x-request-deadline-ms");

/// The innermost service: one clone a connection, on one worker.
#[derive(Debug, Clone)]
pub(crate) struct Pipeline {
    pub(crate) worker: Arc<WorkerState>,
}

impl Service<Identified> for Pipeline {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Always ready: a gateway refuses by an answer, it does not let connections hang.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Identified { request, exchange }: Identified) -> Answer {
        let worker = Arc::clone(&self.worker);
        Box::pin(async move { Ok(answer(&worker, request, exchange).await) })
    }
}

/// Answers one request, whatever happens, and hands its record to the answer's body.
async fn answer(
    worker: &Arc<WorkerState>,
    request: Request<Incoming>,
    mut exchange: Box<Exchange>,
) -> Response<ResponseBody> {
    let mut response = match serve(worker, request, &mut exchange).await {
        Ok(response) => response,
        Err(failure) => {
            exchange.note_failure(&failure);
            refuse(&failure)
        }
    };
    exchange.status = response.status();
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, exchange.request_id.clone());
    for decision in &exchange.decisions {
        exchange.snapshot.limiters.write_fields(decision, headers);
    }
    response.map(|body| body.recording(exchange))
}

/// The request's path. Read it top-down.
async fn serve(
    worker: &Arc<WorkerState>,
    mut request: Request<Incoming>,
    exchange: &mut Exchange,
) -> Result<Response<ResponseBody>, Failure> {
    let snapshot = Arc::clone(&exchange.snapshot);

    // One strict reading of the message, one canonical path: match, authorisation and upstream see
    // the same bytes.
    if request.version() == http::Version::HTTP_2 {
        cookies::join_crumbs(request.headers_mut());
    }
    let host = hygiene::check(&request)?.to_ascii_lowercase();
    if let Some(redirect) = redirect::to_https(&exchange.connection, &host, request.uri()) {
        return Ok(redirect);
    }
    let uri = request.uri().clone();
    let path =
        canonicalize(uri.path()).map_err(|refused| Failure::PathRefused(refused.reason()))?;
    let trusted_peer = find_client(&snapshot, &request, exchange);

    // Which row of the table is it?
    let facts = RequestFacts {
        host: &host,
        path: path.as_str(),
        method: request.method(),
        headers: request.headers(),
        query: uri.query(),
        client_ip: exchange.client,
    };
    let matched = snapshot
        .table
        .find(&facts)
        .map(|matched| (matched.id, matched.route));
    let Some((route_id, route)) = matched else {
        exchange.nearest_miss = snapshot
            .table
            .nearest_miss(&facts)
            .map(|miss| miss.to_string());
        exchange.host = host;
        return Err(Failure::NoRoute);
    };
    exchange.route = Some(route_id);

    // Cheapest refusals first: floods end before a signature is checked.
    check_per_ip(&snapshot, worker, exchange)?;
    let token = authenticate(&snapshot, route, request.headers()).await?;
    check_limits(
        &snapshot,
        worker,
        route,
        request.headers(),
        token.as_deref(),
        exchange,
    )?;
    exchange.host = host;

    // Who serves it: the monolith, a service, or the table itself?
    let upstream_id = match &route.action {
        Action::Respond(fixed) => return Ok(respond_fixed(fixed)),
        Action::Upstream(id) => *id,
        Action::Migration(id) => {
            exchange.migration = Some(*id);
            migration::serving_upstream(snapshot.table.migration(*id))
        }
    };
    exchange.upstream = Some(upstream_id);

    // Out to an endpoint and back, within the route's time.
    let budget = time_budget(route, request.headers(), trusted_peer)?;
    let outgoing = Outgoing {
        route,
        upstream_id,
        path,
        token: token.as_deref(),
        budget,
        trusted_peer,
    };
    let (request, upload) = outgoing.request(&snapshot, request, exchange)?;
    exchange.upload.clone_from(&upload);
    let response = send(worker, &snapshot, &outgoing, request, exchange).await?;
    Ok(outgoing.response(&snapshot, response, exchange))
}

/// Finds out who the client is. Returns whether the peer's own words about a request are trusted.
fn find_client(snapshot: &Snapshot, request: &Request<Incoming>, exchange: &mut Exchange) -> bool {
    let peer = exchange.connection.peer.ip();
    let listener = snapshot.listener(&exchange.connection.listener);
    let trust = match listener {
        _ if exchange.is_internal() => Trust::Peer,
        Some((listener, _)) => Trust::Listed(&listener.trusted_proxies),
        None => Trust::Listed(&[]),
    };
    exchange.client = forwarded::client_ip(request.headers(), peer, trust);
    trust.trusts_peer(peer.to_canonical())
}

/// The listener's coarse limit, one bucket an address.
fn check_per_ip(
    snapshot: &Snapshot,
    worker: &WorkerState,
    exchange: &Exchange,
) -> Result<(), Failure> {
    if exchange.is_internal() {
        return Ok(());
    }
    let Some((listener, Some(limiter))) = snapshot.listener(&exchange.connection.listener) else {
        return Ok(());
    };
    let verdict = limiter.check(exchange.client, std::time::Instant::now());
    if verdict.allowed {
        return Ok(());
    }
    worker
        .gateway
        .metrics
        .count_limit_refused(&listener.name, true);
    Err(Failure::RateLimited {
        limit: Arc::clone(&listener.name),
        retry_after: verdict.retry_after,
    })
}

/// Verifies the token that the route asks for.
async fn authenticate(
    snapshot: &Snapshot,
    route: &Route,
    headers: &HeaderMap,
) -> Result<Option<Arc<VerifiedToken>>, Failure> {
    let Some(wanted) = &route.auth else {
        return Ok(None);
    };
    let authenticator = snapshot.authenticators.get(wanted.provider);
    auth::authorize(wanted, authenticator, headers, SystemTime::now())
        .await
        .map_err(Failure::Unauthorized)
}

/// The route's limits, in its order; the first that refuses ends the request.
fn check_limits(
    snapshot: &Snapshot,
    worker: &WorkerState,
    route: &Route,
    headers: &HeaderMap,
    token: Option<&VerifiedToken>,
    exchange: &mut Exchange,
) -> Result<(), Failure> {
    if route.limits.is_empty() {
        return Ok(());
    }
    let parts = KeyParts {
        client: exchange.client,
        route: &route.name,
        headers,
        claims: token.map(|token| &token.claims),
    };
    let now = std::time::Instant::now();
    for id in &route.limits {
        let decision = snapshot.limiters.check(*id, &parts, now);
        exchange.decisions.push(decision);
        if decision.allowed {
            continue;
        }
        let limit = snapshot.limiters.name(*id);
        worker
            .gateway
            .metrics
            .count_limit_refused(limit, decision.enforce);
        if decision.refuses() {
            return Err(Failure::RateLimited {
                limit: Arc::clone(limit),
                retry_after: decision.retry_after,
            });
        }
    }
    Ok(())
}

/// An answer that the table itself gives.
fn respond_fixed(fixed: &StaticResponse) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(fixed.body.as_bytes().to_vec().into()));
    *response.status_mut() = fixed.status;
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, fixed.content_type.clone());
    response
}

/// The route's timeout, or what is left of a trusted caller's deadline if that is less.
fn time_budget(
    route: &Route,
    headers: &HeaderMap,
    trusted_peer: bool,
) -> Result<Duration, Failure> {
    let left = headers
        .get(X_REQUEST_DEADLINE_MS)
        .filter(|_| trusted_peer)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok())
        .map(Duration::from_millis);
    match left {
        Some(Duration::ZERO) => Err(Failure::DeadlineExceeded),
        Some(left) => Ok(left.min(route.timeout)),
        None => Ok(route.timeout),
    }
}

/// A request that has passed every decision.
struct Outgoing<'o> {
    route: &'o Route,
    upstream_id: UpstreamId,
    path: CanonicalPath<'o>,
    token: Option<&'o VerifiedToken>,
    budget: Duration,
    trusted_peer: bool,
}

impl Outgoing<'_> {
    /// Turns the client's request into the one that the upstream gets.
    fn request(
        &self,
        snapshot: &Arc<Snapshot>,
        request: Request<Incoming>,
        exchange: &Exchange,
    ) -> Result<(Request<RequestBody>, Option<Arc<Upload>>), Failure> {
        let limit_bytes = self.route.body_limit_bytes;
        if announced_length(request.headers()).is_some_and(|length| length > limit_bytes) {
            return Err(Failure::BodyTooLarge { limit_bytes });
        }
        let (mut head, body) = request.into_parts();
        let upstream = &snapshot.upstream(self.upstream_id).config;
        let host = host_header(&head);
        head.uri =
            upstream::request_target(&head.uri, &self.path, upstream.strip_prefix.as_deref())
                .ok_or(Failure::PathRefused("the path cannot be forwarded"))?;

        let headers = &mut head.headers;
        hop_by_hop::strip_request(headers);
        let told = Told {
            client: exchange.client,
            https: exchange.connection.https,
            host: host.as_ref(),
            trusted: self.trusted_peer,
        };
        forwarded::tell(headers, &told);
        if let Some(host) = host.filter(|_| upstream.preserve_host) {
            headers.insert(http::header::HOST, host);
        } else {
            // Each attempt fills in its endpoint's own.
            headers.remove(http::header::HOST);
        }
        // Nothing the client sends is trusted as identity, even where no token was asked for.
        snapshot.authenticators.strip_identity_headers(headers);
        if let Some(token) = self.token {
            for (name, value) in &token.identity_headers {
                headers.insert(name.clone(), value.clone());
            }
        }
        headers.insert(X_REQUEST_ID, exchange.request_id.clone());
        let left_ms = u64::try_from(self.budget.as_millis()).unwrap_or(u64::MAX);
        headers.insert(X_REQUEST_DEADLINE_MS, HeaderValue::from(left_ms));

        head.version = http::Version::HTTP_11;
        head.extensions.clear();
        let (body, upload) = RequestBody::new(body, limit_bytes, snapshot);
        Ok((Request::from_parts(head, body), upload))
    }

    /// Makes the upstream's answer the client's.
    fn response(
        &self,
        snapshot: &Snapshot,
        mut response: Response<ResponseBody>,
        exchange: &Exchange,
    ) -> Response<ResponseBody> {
        let upstream = &snapshot.upstream(self.upstream_id).config;
        let authority = exchange
            .endpoint
            .as_ref()
            .map_or("", |endpoint| &*endpoint.authority);
        let rewrites = Rewrites {
            prefix: upstream.strip_prefix.as_deref(),
            authority,
        };
        let headers = response.headers_mut();
        respond::prepare(headers, rewrites);
        if let Ok(name) = HeaderValue::from_str(&upstream.name) {
            headers.insert(X_SERVED_BY, name);
        }
        response
    }
}

/// Sends the request within its time. The clock starts when the client's body has been sent on: a slow
/// upload is watched for standstill, not for length.
async fn send(
    worker: &Arc<WorkerState>,
    snapshot: &Snapshot,
    outgoing: &Outgoing<'_>,
    request: Request<RequestBody>,
    exchange: &mut Exchange,
) -> Result<Response<ResponseBody>, Failure> {
    let upstream = snapshot.upstream(outgoing.upstream_id);
    let upload = exchange.upload.clone();
    let forward = Forward {
        worker,
        upstream,
        upload: upload.clone(),
        retries: outgoing.route.retries.attempts,
    };
    let sent = upstream::forward(forward, request, exchange);
    let outcome = upstream::within(outgoing.budget, upload, sent).await;
    match outcome {
        Some(Ok((response, lease))) => {
            hygiene::check_response(response.headers())?;
            let mut response = response.map(|body| ResponseBody::streamed(body, lease));
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                // We ask no upstream to switch; one that does so unasked can't be followed.
                return Err(Failure::UpstreamMalformed);
            }
            response.extensions_mut().clear();
            *response.version_mut() = http::Version::HTTP_11;
            Ok(response)
        }
        Some(Err(Failure::BodyTooLarge { .. })) => Err(Failure::BodyTooLarge {
            limit_bytes: outgoing.route.body_limit_bytes,
        }),
        Some(Err(failure)) => Err(failure),
        None => {
            exchange.end_attempt();
            if let Some(endpoint) = &exchange.endpoint {
                worker.record_endpoint_failure(upstream, endpoint, AttemptOutcome::Timeout);
            }
            Err(Failure::UpstreamTimeout)
        }
    }
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(http::header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// The authority as the client gave it: HTTP/2 has it in the request's target.
fn host_header(head: &http::request::Parts) -> Option<HeaderValue> {
    match head.uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => head.headers.get(http::header::HOST).cloned(),
    }
}
