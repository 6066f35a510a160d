//! The path of a request, top to bottom.
//!
//! ```text
//! listener → TLS → HTTP → global layers (panic, request id, trace)      listener, edge::layers
//!   → hygiene, client address, coarse limit, canonical path              edge, limits, canonical
//!   → route match → overload → authentication → limits                   routing, auth, limits
//!   → what is kept                                                       cache
//!   → migration decision → balance → upstream attempt(s)                 migration, balance, upstream
//!   → response                                                           respond
//! ```
//!
//! Every step either goes on or ends the request with a [`Failure`]. The steps are decisions of small
//! modules; this file is only their order.

mod cached;
mod outgoing;

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use hyper::body::Incoming;
use route_table::table::{Action, Redirect, Route, StaticResponse};
use route_table::{Match, Params, RequestFacts};
use tower::Service;

use crate::auth::{self, VerifiedToken};
use crate::cache::{self, Caching};
use crate::canonical::{CanonicalPath, canonicalize};
use crate::edge::forwarded::{self, Trust};
use crate::edge::layers::{Answer, Identified};
use crate::edge::request_id::X_REQUEST_ID;
use crate::edge::{Exchange, cookies, hygiene, overload, streaming, websocket};
use crate::extend::{self, Body, through};
use crate::limits::KeyParts;
use crate::listener::redirect;
use crate::migration;
use crate::pipeline::outgoing::Outgoing;
use crate::respond::{Failure, ResponseBody, refuse, refuse_grpc};
use crate::routing::{Snapshot, share_of};
use crate::state::WorkerState;
use crate::telemetry::MatchValues;

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
    let layers = worker.gateway.extensions.global().cloned();
    // Boxed: it is handed on many times, and moved each time.
    let unread = exchange.answering.unread();
    let request = Box::new(request.map(|incoming| Body::client(incoming, unread)));
    let mut response = match layers {
        None => judged(worker, request, &mut exchange).await,
        Some(layers) => {
            let exchange = &mut exchange;
            Box::pin(through(&layers, *request, Judged { worker, exchange })).await
        }
    };
    exchange.status = response.status();
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, exchange.request_id.clone());
    for decision in &exchange.decisions {
        exchange.snapshot.limiters.write_fields(decision, headers);
    }
    if let Some(id) = exchange.route {
        let policy = &exchange.snapshot.table.route(id).policy;
        policy.response_headers.apply(headers);
    }
    match exchange.tunnel.take() {
        // Both sides leave HTTP once this head has gone out; the record ends with what follows.
        Some(tunnel) => {
            worker.connections.spawn(tunnel.run(exchange));
            response
        }
        None => response.map(|body| body.recording(exchange)),
    }
}

/// What the path has come to, as an answer in any case.
async fn judged(
    worker: &Arc<WorkerState>,
    request: Box<Request<Body>>,
    exchange: &mut Exchange,
) -> Response<ResponseBody> {
    let grpc = streaming::is_grpc(request.headers());
    match serve(worker, request, exchange).await {
        Ok(response) => response,
        Err(failure) => {
            exchange.note_failure(&failure);
            if grpc {
                refuse_grpc(&failure)
            } else {
                refuse(&failure)
            }
        }
    }
}

/// [`judged`], for layers around it.
struct Judged<'j> {
    worker: &'j Arc<WorkerState>,
    exchange: &'j mut Exchange,
}

impl extend::Path for Judged<'_> {
    async fn answer(&mut self, request: Request<Body>) -> Response<ResponseBody> {
        judged(self.worker, Box::new(request), self.exchange).await
    }
}

/// The request's path. Read it top-down.
#[expect(
    clippy::too_many_lines,
    reason = "the order of the path's steps, and nothing else"
)]
async fn serve(
    worker: &Arc<WorkerState>,
    mut request: Box<Request<Body>>,
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
    // Floods end before anything is looked up or verified for them.
    let trusted_peer = find_client(&snapshot, &request, exchange);
    check_per_ip(&snapshot, worker, exchange)?;
    let path = canonical(uri.path())?;

    // Which row of the table is it?
    let visit = Visit {
        host: &host,
        path: path.as_str(),
        query: uri.query(),
        request: &request,
    };
    let (Match { route, params, .. }, asked) = visit.find_route(&snapshot, exchange)?;

    // Cheapest refusals first.
    check_load(&snapshot, worker, route)?;
    let token = authenticate(&snapshot, route, request.headers()).await?;
    check_limits(
        &snapshot,
        worker,
        route,
        request.headers(),
        token.as_deref(),
        exchange,
    )?;

    // May it be answered by what was answered before? By the client's own address, before it is rewritten.
    let caching = look(
        &snapshot,
        route,
        &request,
        &path,
        token.as_deref(),
        exchange,
    );
    let caching = caching.filter(|_| asked.is_none());

    // Who serves it: the monolith, a service, or the table itself?
    let upstream_id = match &route.action {
        Action::Respond(fixed) => return Ok(respond_fixed(fixed)),
        Action::Redirect(redirect) => return redirected(redirect, &params, uri.query()),
        Action::Upstream(id) => *id,
        Action::Split(split) => share_of(split, exchange.client, path.as_str(), request.headers()),
        Action::Migration(id) => {
            exchange.migration = Some(*id);
            migration::serving_upstream(snapshot.table.migration(*id))
        }
    };
    exchange.upstream = Some(upstream_id);
    let rewritten = rewrite(route, &params, &uri)?;
    // It lends from what is about to be handed on.
    drop(params);
    let path = match &rewritten {
        None => path,
        Some(uri) => {
            // From here on it is as if the client had asked for it, but for the log.
            *request.uri_mut() = uri.clone();
            canonical(uri.path())?
        }
    };
    exchange.host = host;

    // Out to an endpoint and back, within the route's time.
    let outgoing = Outgoing {
        snapshot: &snapshot,
        route,
        upstream: snapshot.upstream(upstream_id),
        token: token.as_ref(),
        trusted_peer,
        websocket: asked,
    };
    match caching {
        None => outgoing.answer(worker, request, &path, exchange).await,
        Some(caching) => {
            outgoing
                .cached(worker, request, &path, exchange, caching)
                .await
        }
    }
}

fn canonical(path: &str) -> Result<CanonicalPath<'_>, Failure> {
    canonicalize(path).map_err(|refused| Failure::PathRefused(refused.reason()))
}

/// What a route is found by.
#[derive(Clone, Copy)]
struct Visit<'v> {
    host: &'v str,
    path: &'v str,
    query: Option<&'v str>,
    request: &'v Request<Body>,
}

impl<'v> Visit<'v> {
    /// Finds the row of the table, and whether the request leaves HTTP by it.
    fn find_route<'s>(
        self,
        snapshot: &'s Snapshot,
        exchange: &mut Exchange,
    ) -> Result<(Match<'s, 'v>, Option<websocket::Asked>), Failure> {
        let request = self.request;
        let asked = websocket::asked(request);
        let facts = RequestFacts {
            host: self.host,
            path: self.path,
            // Whoever asks for WebSocket over HTTP/2 by CONNECT would have said GET over HTTP/1.1.
            method: match asked {
                Some(_) => &Method::GET,
                None => request.method(),
            },
            headers: request.headers(),
            query: self.query,
            client_ip: exchange.client,
        };
        let rules = &snapshot.table.access_log;
        exchange.matched_on = MatchValues::of(rules, facts.headers, facts.query);
        let Some(matched) = snapshot.table.find(&facts) else {
            let miss = snapshot.table.nearest_miss(&facts);
            exchange.nearest_miss = miss.map(|miss| miss.to_string());
            exchange.host = self.host.to_owned();
            return Err(Failure::NoRoute);
        };
        exchange.route = Some(matched.id);
        let asked = asked.filter(|_| matched.route.policy.websocket);
        if asked.is_none() && *request.method() == Method::CONNECT {
            return Err(Failure::MethodRefused);
        }
        Ok((matched, asked))
    }
}

/// Finds out who the client is. Returns whether the peer's own words about a request are trusted.
fn find_client(snapshot: &Snapshot, request: &Request<Body>, exchange: &mut Exchange) -> bool {
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

/// The gateway's own limit, by the route's priority.
fn check_load(snapshot: &Snapshot, worker: &WorkerState, route: &Route) -> Result<(), Failure> {
    let open = worker.gateway.metrics.requests_in_flight();
    if overload::admits(snapshot.table.overload, route.policy.priority, open) {
        Ok(())
    } else {
        Err(Failure::Overloaded)
    }
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
    let Some(wanted) = &route.policy.auth else {
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
    if route.policy.limits.is_empty() {
        return Ok(());
    }
    let parts = KeyParts {
        client: exchange.client,
        route: &route.name,
        headers,
        claims: token.map(|token| &token.claims),
    };
    let now = std::time::Instant::now();
    for id in &route.policy.limits {
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

/// What the cache has to do with a request.
fn look(
    snapshot: &Snapshot,
    route: &Route,
    request: &Request<Body>,
    path: &CanonicalPath<'_>,
    token: Option<&VerifiedToken>,
    exchange: &Exchange,
) -> Option<Box<Caching>> {
    let seen = cache::Request {
        request,
        path: path.as_str(),
        https: exchange.connection.https,
        token,
    };
    cache::look(snapshot.caches, route, seen)
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

/// Sends the client elsewhere.
fn redirected(
    redirect: &Redirect,
    params: &Params<'_, '_>,
    query: Option<&str>,
) -> Result<Response<ResponseBody>, Failure> {
    let location = HeaderValue::try_from(redirect.location(params, query))
        .map_err(|_| Failure::PathRefused("the address it leads to cannot be written"))?;
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = redirect.status;
    response
        .headers_mut()
        .insert(http::header::LOCATION, location);
    Ok(response)
}

/// The address with the path that its route says, if it says one.
fn rewrite(route: &Route, params: &Params<'_, '_>, uri: &Uri) -> Result<Option<Uri>, Failure> {
    let Some(template) = &route.policy.rewrite else {
        return Ok(None);
    };
    let mut target = template.fill(params);
    if let Some(query) = uri.query() {
        target.push('?');
        target.push_str(query);
    }
    let refused = || Failure::PathRefused("the path it is rewritten to cannot be forwarded");
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target.parse().map_err(|_| refused())?);
    Uri::from_parts(parts).map(Some).map_err(|_| refused())
}
