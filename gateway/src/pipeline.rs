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
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use hyper::body::Incoming;
use route_table::table::{Action, Redirect, Route, StaticBody, StaticResponse, UpstreamId};
use route_table::{Match, Params, RequestFacts};
use tower::Service;

use crate::auth::{self, Caller, Presented};
use crate::cache::{self, Caching};
use crate::canonical::{CanonicalPath, canonicalize};
use crate::defaults::AUTH_ANSWER_BYTES_MAX;
use crate::edge::forwarded::{self, Trust};
use crate::edge::layers::{Answer, Identified};
use crate::edge::request_id::X_REQUEST_ID;
use crate::edge::{Exchange, cookies, hygiene, maintenance, overload, streaming, websocket};
use crate::explain::{self, Question, X_GATEWAY_EXPLAIN};
use crate::extend::{self, Body, through};
use crate::limits::KeyParts;
use crate::listener::redirect;
use crate::migration;
use crate::pipeline::outgoing::Outgoing;
use crate::respond::cors::{self, Preflight};
use crate::respond::{
    Failure, ResponseBody, accept, compress, intercept, refuse_grpc, refuse_readably, without_body,
};
use crate::routing::{Snapshot, share_of};
use crate::state::WorkerState;
use crate::telemetry::MatchValues;
use crate::upstream;

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
    if response.status().is_server_error() {
        response = intercept(response, &exchange);
    }
    if exchange.method == Method::HEAD {
        response = without_body(response);
    }
    exchange.status = response.status();
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, exchange.request_id.clone());
    for decision in &exchange.decisions {
        exchange.snapshot.limiters.write_fields(decision, headers);
    }
    if let Some(id) = exchange.route {
        let policy = &exchange.snapshot.table.route(id).policy;
        policy.response_headers.apply(headers);
        if let Some(cors) = &policy.cors {
            cors::tell(headers, cors, exchange.allowed_origin.take());
        }
    }
    match exchange.tunnel.take() {
        // Both sides leave HTTP once this head has gone out; the record ends with what follows.
        Some(tunnel) => {
            worker.connections.spawn(tunnel.run(exchange));
            response
        }
        None => compressed(response, &exchange).map(|body| body.recording(exchange)),
    }
}

/// The answer as the client likes it, on a route that has `compress`: the last step.
fn compressed(response: Response<ResponseBody>, exchange: &Exchange) -> Response<ResponseBody> {
    let route = exchange.route.map(|id| exchange.snapshot.table.route(id));
    match route.and_then(|route| route.policy.compress.as_deref()) {
        None => response,
        Some(rules) => {
            let (liked, metrics) = (exchange.encoding, &exchange.gateway.metrics);
            compress::compress(rules, liked, &exchange.method, metrics, response)
        }
    }
}

/// What the path has come to, as an answer in any case.
async fn judged(
    worker: &Arc<WorkerState>,
    request: Box<Request<Body>>,
    exchange: &mut Exchange,
) -> Response<ResponseBody> {
    let grpc = streaming::is_grpc(request.headers());
    exchange.accept = accept::of(request.headers());
    match serve(worker, request, exchange).await {
        Ok(response) => response,
        Err(failure) => {
            exchange.note_failure(&failure);
            if grpc {
                refuse_grpc(&failure)
            } else {
                refuse_readably(&failure, exchange)
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
    if let Some(explanation) = explained(&snapshot, worker, &request, exchange) {
        return Ok(explanation);
    }
    let path = canonical(uri.path())?;

    // Which row of the table is it?
    let visit = Visit {
        host: &host,
        path: path.as_str(),
        query: uri.query(),
        request: &request,
    };
    // A preflight has no token and no body: it is answered before anything is asked of it.
    if let Some(answer) = visit.preflight(&snapshot, worker, exchange) {
        return Ok(answer);
    }
    let (Match { route, params, .. }, asked) = visit.find_route(&snapshot, exchange)?;

    // Cheapest refusals first.
    check_address(route, exchange.client)?;
    maintenance::check(route, exchange.client)?;
    check_load(&snapshot, worker, route)?;
    let presented = visit.presented(&uri, exchange);
    let caller = authenticate(&snapshot, worker, route, presented).await?;
    let headers = request.headers();
    check_limits(&snapshot, worker, route, headers, &caller, exchange)?;

    // May it be answered by what was answered before? By the client's own address, before it is rewritten.
    let caching = look(&snapshot, route, &request, &path, &caller, exchange);

    // Who serves it: the monolith, a service, or the table itself?
    let upstream_id = match &route.action {
        Action::Respond(fixed) => return Ok(respond_fixed(&snapshot, fixed)),
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
    if let Some(auth) = &route.policy.auth {
        auth::hide_credentials(auth, &snapshot.authenticators, &mut request);
    }
    exchange.host = host;

    // Out to an endpoint and back, within the route's time.
    let outgoing = Outgoing {
        snapshot: &snapshot,
        route,
        upstream: snapshot.upstream(upstream_id),
        caller: &caller,
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
    /// Answers a preflight for the row that would take the request it announces, if that row has `cors`.
    /// Any other `OPTIONS` is a request like others.
    fn preflight(
        self,
        snapshot: &Snapshot,
        worker: &WorkerState,
        exchange: &mut Exchange,
    ) -> Option<Response<ResponseBody>> {
        let preflight = Preflight::of(self.request)?;
        let asked = self.facts(self.request.method(), exchange);
        let (id, cors) = preflight.find_route(&snapshot.table, &asked)?;
        exchange.route = Some(id);
        exchange.host = self.host.to_owned();
        exchange.allowed_origin = cors::allowed(cors, self.request.headers());
        let is_allowed = exchange.allowed_origin.is_some();
        let (metrics, route) = (&worker.gateway.metrics, snapshot.table.route(id));
        metrics.count_preflight(
            &route.name,
            is_allowed && cors::lists(cors, &preflight.method),
        );
        Some(preflight.answer(cors, is_allowed))
    }

    /// What of the request says who is calling.
    fn presented(self, uri: &'v Uri, exchange: &'v Exchange) -> Presented<'v> {
        Presented {
            method: self.request.method(),
            host: self.host,
            uri,
            headers: self.request.headers(),
            client: exchange.client,
            https: exchange.connection.https,
            certificate: exchange.connection.client_certificate.as_deref(),
        }
    }

    fn facts(self, method: &'v Method, exchange: &Exchange) -> RequestFacts<'v> {
        RequestFacts {
            host: self.host,
            path: self.path,
            method,
            headers: self.request.headers(),
            query: self.query,
            client_ip: exchange.client,
        }
    }

    /// Finds the row of the table, and whether the request leaves HTTP by it.
    fn find_route<'s>(
        self,
        snapshot: &'s Snapshot,
        exchange: &mut Exchange,
    ) -> Result<(Match<'s, 'v>, Option<websocket::Asked>), Failure> {
        let request = self.request;
        let asked = websocket::asked(request);
        // Whoever asks for WebSocket over HTTP/2 by CONNECT would have said GET over HTTP/1.1.
        let method = match asked {
            Some(_) => &Method::GET,
            None => request.method(),
        };
        let facts = self.facts(method, exchange);
        let rules = &snapshot.table.access_log;
        exchange.matched_on = MatchValues::of(rules, facts.headers, facts.query);
        let Some(matched) = snapshot.table.find(&facts) else {
            let miss = snapshot.table.nearest_miss(&facts);
            exchange.nearest_miss = miss.map(|miss| miss.to_string());
            exchange.host = self.host.to_owned();
            return Err(Failure::NoRoute);
        };
        exchange.route = Some(matched.id);
        let policy = &matched.route.policy;
        let cors = policy.cors.as_ref();
        exchange.allowed_origin = cors.and_then(|cors| cors::allowed(cors, request.headers()));
        let rules = policy.compress.as_ref();
        exchange.encoding =
            rules.and_then(|rules| compress::choose(request.headers(), &rules.encodings));
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

/// Who may use the row, by address.
fn check_address(route: &Route, client: IpAddr) -> Result<(), Failure> {
    match &route.policy.client_ip {
        Some(networks) if !networks.admits(client) => Err(Failure::AddressRefused),
        _ => Ok(()),
    }
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

/// What would become of a request that asks for it, where its client may.
fn explained(
    snapshot: &Snapshot,
    worker: &WorkerState,
    request: &Request<Body>,
    exchange: &Exchange,
) -> Option<Response<ResponseBody>> {
    let clients = &snapshot.table.explained_to;
    if !clients
        .iter()
        .any(|network| network.contains(&exchange.client))
        || !request.headers().contains_key(X_GATEWAY_EXPLAIN)
    {
        return None;
    }
    let question = Question::about(request, exchange.client);
    let live = explain::Live {
        snapshot,
        clock: worker.gateway.clock,
    };
    let report = explain::explain(&snapshot.table, &question, Some(live));
    let json = serde_json::to_vec(&report).ok()?;
    let mut response = Response::new(ResponseBody::full(json.into()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
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

/// Finds out who is calling, as far as the route asks.
async fn authenticate(
    snapshot: &Arc<Snapshot>,
    worker: &Arc<WorkerState>,
    route: &Route,
    presented: Presented<'_>,
) -> Result<Caller, Failure> {
    let Some(wanted) = &route.policy.auth else {
        return Ok(Caller::anonymous());
    };
    let asker = Asker { snapshot, worker };
    let providers = &snapshot.authenticators;
    auth::authorize(wanted, providers, presented, &asker, SystemTime::now())
        .await
        .map_err(Failure::Unauthorized)
}

/// Asks upstreams about a caller.
struct Asker<'a> {
    snapshot: &'a Arc<Snapshot>,
    worker: &'a Arc<WorkerState>,
}

impl auth::Ask for Asker<'_> {
    async fn ask(
        &self,
        upstream: UpstreamId,
        question: Request<Bytes>,
        timeout: Duration,
    ) -> Result<Response<Bytes>, upstream::Unanswered> {
        let asking = upstream::Asking {
            worker: self.worker,
            snapshot: self.snapshot,
            upstream: self.snapshot.upstream(upstream),
            timeout,
            answer_bytes_max: AUTH_ANSWER_BYTES_MAX,
        };
        upstream::ask(asking, question).await
    }
}

/// The route's limits, in its order; the first that refuses ends the request.
fn check_limits(
    snapshot: &Snapshot,
    worker: &WorkerState,
    route: &Route,
    headers: &HeaderMap,
    caller: &Caller,
    exchange: &mut Exchange,
) -> Result<(), Failure> {
    if route.policy.limits.is_empty() {
        return Ok(());
    }
    let parts = KeyParts {
        client: exchange.client,
        route: &route.name,
        headers,
        caller,
    };
    let now = std::time::Instant::now();
    for id in &route.policy.limits {
        let (decision, place) = snapshot.limiters.check(*id, &parts, now);
        exchange.decisions.push(decision);
        exchange.places.extend(place);
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
    caller: &Caller,
    exchange: &Exchange,
) -> Option<Box<Caching>> {
    let seen = cache::Request {
        request,
        path: path.as_str(),
        https: exchange.connection.https,
        caller,
    };
    cache::look(snapshot.caches, route, seen)
}

/// An answer that the table itself gives.
fn respond_fixed(snapshot: &Snapshot, fixed: &StaticResponse) -> Response<ResponseBody> {
    let body = match &fixed.body {
        StaticBody::Text(text) => text.clone(),
        StaticBody::File(file) => snapshot.table.file(*file).content.clone(),
    };
    let mut response = Response::new(ResponseBody::full(body));
    *response.status_mut() = fixed.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, fixed.content_type.clone());
    for (name, value) in &fixed.headers {
        headers.insert(name.clone(), value.clone());
    }
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
