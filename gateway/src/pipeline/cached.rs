//! The path of a request on a route whose answers are kept.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::BytesMut;
use http::header::{
    CONTENT_LENGTH, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use route_table::table::{CachePolicy, RouteId, UpstreamId};

use crate::auth::Caller;
use crate::cache::{
    self, Asked, Caching, Join, Kept, Landing, Leader, Outcome, Place, Tee, Usable, say,
};
use crate::canonical::{CanonicalPath, canonicalize};
use crate::defaults::CACHE_WAIT_MAX;
use crate::edge::Exchange;
use crate::extend::Body;
use crate::pipeline::outgoing::Outgoing;
use crate::respond::{Failure, ResponseBody, Source};
use crate::routing::Snapshot;
use crate::state::WorkerState;

/// What goes to the upstream, and what is known already.
struct Fetch<'f> {
    policy: &'f CachePolicy,
    asked: &'f Asked,
    place: Place,
    kept: Option<Arc<Kept>>,
    /// `None`: the answer is not kept.
    leader: Option<Leader>,
}

/// A revalidation that no client waits for. It owns what it needs: the request it began with is over first.
struct Behind {
    worker: Arc<WorkerState>,
    snapshot: Arc<Snapshot>,
    route: RouteId,
    upstream: UpstreamId,
    caller: Caller,
    trusted_peer: bool,
    request: Box<Request<Body>>,
    place: Place,
    kept: Arc<Kept>,
    leader: Leader,
    exchange: Box<Exchange>,
}

impl Outgoing<'_> {
    /// Answers from what is kept, or asks the upstream and keeps what it says.
    pub(super) async fn cached(
        &self,
        worker: &Arc<WorkerState>,
        request: Box<Request<Body>>,
        path: &CanonicalPath<'_>,
        exchange: &mut Exchange,
        caching: Box<Caching>,
    ) -> Result<Response<ResponseBody>, Failure> {
        let cache = &worker.gateway.cache;
        match *caching {
            // Boxed: requests of other routes are not to carry its state along.
            Caching::Read(asked) => {
                Box::pin(self.read(worker, request, path, exchange, asked)).await
            }
            Caching::Write(target) => {
                let response = self.answer(worker, request, path, exchange).await?;
                let status = response.status();
                if status.is_success() || status.is_redirection() {
                    cache.invalidate(&target, response.headers());
                }
                Ok(response)
            }
            Caching::Bypass => {
                exchange.cache = Some(Outcome::Bypass);
                let mut response = self.answer(worker, request, path, exchange).await?;
                say(response.headers_mut(), "fwd=bypass");
                Ok(response)
            }
        }
    }

    async fn read(
        &self,
        worker: &Arc<WorkerState>,
        request: Box<Request<Body>>,
        path: &CanonicalPath<'_>,
        exchange: &mut Exchange,
        asked: Asked,
    ) -> Result<Response<ResponseBody>, Failure> {
        let Some(policy) = &self.route.policy.cache else {
            return Err(Failure::Internal);
        };
        let cache = &worker.gateway.cache;
        let until = Instant::now() + CACHE_WAIT_MAX.min(self.route.policy.timeout);
        let mut waited = false;
        loop {
            let now = SystemTime::now();
            let (place, kept) = cache.find(&asked);
            let usable = kept.as_ref().map(|kept| (kept, kept.usable(&asked, now)));
            match usable {
                Some((kept, Usable::Fresh)) => {
                    let outcome = if waited {
                        Outcome::Collapsed
                    } else {
                        Outcome::Hit
                    };
                    return Ok(from_store(worker, exchange, kept, &asked, outcome));
                }
                Some((kept, Usable::WhileRevalidated)) => {
                    let kept = Arc::clone(kept);
                    let leader = match cache.flights.join(place.key()) {
                        Join::Lead(leader) => Some(leader),
                        Join::Follow(_) | Join::Alone => None,
                    };
                    let behind = leader.and_then(|leader| {
                        let found = (place, Arc::clone(&kept), leader);
                        self.behind(worker, exchange, request, found)
                    });
                    let answer = from_store(worker, exchange, &kept, &asked, Outcome::Stale);
                    if let Some(behind) = behind {
                        worker.connections.spawn(behind.revalidate(asked));
                    }
                    return Ok(answer);
                }
                Some((_, Usable::Validated)) | None => {}
            }
            if asked.only_if_cached() {
                return Err(Failure::NotCached);
            }
            let leader = match asked.fills().then(|| cache.flights.join(place.key())) {
                Some(Join::Lead(leader)) => Some(leader),
                Some(Join::Follow(landing)) => {
                    let left = until.saturating_duration_since(Instant::now());
                    waited = true;
                    match cache::landed(landing, left).await {
                        Some(Landing::Kept | Landing::Gone) => continue,
                        _ => None,
                    }
                }
                Some(Join::Alone) | None => None,
            };
            let fetch = Fetch {
                policy,
                asked: &asked,
                place,
                kept,
                leader,
            };
            return self.fetch(worker, request, path, exchange, fetch).await;
        }
    }

    /// Asks the upstream.
    async fn fetch(
        &self,
        worker: &Arc<WorkerState>,
        mut request: Box<Request<Body>>,
        path: &CanonicalPath<'_>,
        exchange: &mut Exchange,
        mut fetch: Fetch<'_>,
    ) -> Result<Response<ResponseBody>, Failure> {
        exchange.cache = Some(Outcome::Miss);
        let validating = fetch.condition(request.headers_mut());
        let answer = self.answer(worker, request, path, exchange).await;
        let now = SystemTime::now();
        if has_failed(&answer) {
            if let Some(leader) = fetch.leader.take() {
                leader.land(Landing::Failed);
            }
            if let Some(kept) = &fetch.kept
                && kept.serves_on_error(fetch.asked, now)
            {
                return Ok(from_store(
                    worker,
                    exchange,
                    kept,
                    fetch.asked,
                    Outcome::Stale,
                ));
            }
        }
        let response = answer?;
        if let Some(kept) = fetch.kept.take_if(|_| validating) {
            if response.status() == StatusCode::NOT_MODIFIED {
                return Ok(fetch.freshen(worker, exchange, &kept, response.headers()));
            }
            let changed = response.status().is_success() && fetch.asked.fills();
            if changed {
                worker.gateway.cache.remove(&fetch.place);
            }
            return Ok(fetch.keep(worker, response, "fwd=stale", now));
        }
        let why = if fetch.kept.is_some() {
            "fwd=stale"
        } else {
            "fwd=miss"
        };
        Ok(fetch.keep(worker, response, why, now))
    }

    /// A revalidation for later.
    fn behind(
        &self,
        worker: &Arc<WorkerState>,
        exchange: &Exchange,
        request: Box<Request<Body>>,
        (place, kept, leader): (Place, Arc<Kept>, Leader),
    ) -> Option<Behind> {
        // The whole answer is wanted, whatever the client has asked for.
        let (mut head, _) = request.into_parts();
        head.method = Method::GET;
        for name in [RANGE, IF_RANGE] {
            head.headers.remove(name);
        }
        let request = Box::new(Request::from_parts(head, Body::empty()));
        Some(Behind {
            worker: Arc::clone(worker),
            snapshot: Arc::clone(self.snapshot),
            route: exchange.route?,
            upstream: exchange.upstream?,
            caller: self.caller.clone(),
            trusted_peer: self.trusted_peer,
            exchange: exchange.behind(&request),
            request,
            place,
            kept,
            leader,
        })
    }
}

impl Behind {
    async fn revalidate(self, mut asked: Asked) {
        asked.want_all();
        let mut exchange = self.exchange;
        let snapshot = self.snapshot;
        let route = snapshot.table.route(self.route);
        let Some(policy) = &route.policy.cache else {
            return;
        };
        let uri = self.request.uri().clone();
        let Ok(path) = canonicalize(uri.path()) else {
            return;
        };
        let outgoing = Outgoing {
            snapshot: &snapshot,
            route,
            upstream: snapshot.upstream(self.upstream),
            caller: &self.caller,
            trusted_peer: self.trusted_peer,
            websocket: None,
        };
        let fetch = Fetch {
            policy,
            asked: &asked,
            place: self.place,
            kept: Some(self.kept),
            leader: Some(self.leader),
        };
        let fetched = outgoing.fetch(&self.worker, self.request, &path, &mut exchange, fetch);
        match fetched.await {
            Ok(response) => drain(response.into_body()).await,
            Err(failure) => tracing::debug!(code = failure.code(), "no revalidation"),
        }
    }
}

impl Fetch<'_> {
    /// Makes the request ask for what is needed here: whether what is kept is still good, or the whole answer.
    /// Returns whether a 304 would be for us.
    fn condition(&self, headers: &mut HeaderMap) -> bool {
        let kept = self.kept.as_ref().filter(|kept| kept.has_validator());
        if kept.is_none() && self.leader.is_none() {
            // Nothing comes of it here: the client's own question goes on.
            return false;
        }
        headers.remove(IF_NONE_MATCH);
        headers.remove(IF_MODIFIED_SINCE);
        let Some(kept) = kept else { return false };
        for (theirs, ours) in [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)] {
            if let Some(value) = kept.headers.get(theirs) {
                headers.insert(ours, value.clone());
            }
        }
        true
    }

    /// What is kept is still good: the answer, with what the upstream has said anew.
    fn freshen(
        mut self,
        worker: &Arc<WorkerState>,
        exchange: &mut Exchange,
        kept: &Kept,
        not_modified: &HeaderMap,
    ) -> Response<ResponseBody> {
        let now = SystemTime::now();
        let cache = &worker.gateway.cache;
        let (headers, renewed) = kept.freshened(self.asked, self.policy, not_modified, now);
        let mut landing = Landing::NotToBeKept;
        let answer = match renewed {
            Some(renewed) => {
                let renewed = Arc::new(renewed);
                let is_kept = cache.put(&self.place, &self.asked.headers, Arc::clone(&renewed));
                if is_kept && renewed.is_fresh(now) {
                    landing = Landing::Kept;
                }
                renewed
            }
            None => {
                cache.remove(&self.place);
                Arc::new(kept.with_headers(headers))
            }
        };
        if let Some(leader) = self.leader.take() {
            leader.land(landing);
        }
        exchange.cache = Some(Outcome::Revalidated);
        let mut response = cache::serve(&answer, self.asked, now);
        say(response.headers_mut(), "fwd=stale; fwd-status=304");
        response
    }

    /// Has the answer kept while it passes by, if it may be.
    fn keep(
        mut self,
        worker: &Arc<WorkerState>,
        mut response: Response<ResponseBody>,
        why: &str,
        now: SystemTime,
    ) -> Response<ResponseBody> {
        // What goes without being one of many is not kept.
        let Some(leader) = self.leader.take() else {
            say(response.headers_mut(), why);
            return response;
        };
        let Some(kept) = Kept::of(self.asked, self.policy, &response, now) else {
            leader.land(Landing::NotToBeKept);
            say(response.headers_mut(), why);
            return response;
        };
        say(response.headers_mut(), &format!("{why}; stored"));
        // Who waits would find it stale, and each of them wait for the next one.
        let leader = if kept.is_fresh(now) {
            Some(leader)
        } else {
            leader.land(Landing::NotToBeKept);
            None
        };
        let not_modified = cache::is_not_modified(self.asked, kept.status, &kept.headers);
        let tee = Tee {
            gateway: Arc::clone(&worker.gateway),
            place: self.place,
            asked: self.asked.headers.clone(),
            kept,
            leader,
            body: BytesMut::new(),
            bytes_max: self.policy.body_bytes_max,
        };
        let response = response.map(|body| body.keeping(Box::new(tee)));
        if !not_modified {
            return response;
        }
        // The client has it already. It is kept for the others all the same.
        let (head, body) = response.into_parts();
        worker.connections.spawn(drain(body));
        let mut response = Response::from_parts(head, ResponseBody::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(CONTENT_LENGTH);
        response
    }
}

/// Whether a stale answer is better than this (RFC 5861, section 4).
fn has_failed(answer: &Result<Response<ResponseBody>, Failure>) -> bool {
    match answer {
        Ok(response) => matches!(response.status().as_u16(), 500 | 502 | 503 | 504),
        Err(failure) => failure.source() == Source::Upstream,
    }
}

/// An answer that no upstream was asked for, or none that could answer.
fn from_store(
    worker: &Arc<WorkerState>,
    exchange: &mut Exchange,
    kept: &Kept,
    asked: &Asked,
    outcome: Outcome,
) -> Response<ResponseBody> {
    let now = SystemTime::now();
    worker.gateway.cache.count_hit();
    exchange.cache = Some(outcome);
    if exchange.attempts == 0 {
        exchange.upstream = None;
    }
    let mut response = cache::serve(kept, asked, now);
    cache::say_hit(response.headers_mut(), kept, outcome, now);
    response
}

/// Reads a body to its end for the sake of what it is kept for.
async fn drain(mut body: ResponseBody) {
    // A body that breaks is not kept, which is all there is to it.
    while let Some(Ok(_)) = body.frame().await {}
}
