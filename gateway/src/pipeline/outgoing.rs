//! Out to an endpoint and back: the client's request becomes the upstream's, and its answer the
//! client's.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use route_table::table::Route;

use crate::auth::VerifiedToken;
use crate::balance::sticky;
use crate::canonical::{CanonicalPath, canonicalize};
use crate::defaults::STREAM_IDLE_TIMEOUT;
use crate::edge::forwarded::{self, Told};
use crate::edge::request_id::X_REQUEST_ID;
use crate::edge::{
    Exchange, Progress, RequestBody, Upload, UploadRules, hop_by_hop, streaming, websocket,
};
use crate::extend::{self, Body, through};
use crate::mirror::{self, Tee};
use crate::respond::{self, Failure, ResponseBody, Rewrites};
use crate::routing::Snapshot;
use crate::state::WorkerState;
use crate::telemetry::AttemptOutcome;
use crate::upstream::{self, Affinity, Forward, Lease, Tunnel, UpstreamState};

/// Names the upstream that answered.
const X_SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");

/// A request that has passed every decision.
#[derive(Debug)]
pub(super) struct Outgoing<'o> {
    pub(super) snapshot: &'o Arc<Snapshot>,
    pub(super) route: &'o Route,
    pub(super) upstream: &'o Arc<UpstreamState>,
    pub(super) token: Option<&'o Arc<VerifiedToken>>,
    pub(super) trusted_peer: bool,
    /// The client asks to leave HTTP, and may.
    pub(super) websocket: Option<websocket::Asked>,
}

/// [`Outgoing::exchange`] for layers around it, which may have rewritten the path: an answer in any
/// case.
struct Judged<'o> {
    outgoing: &'o Outgoing<'o>,
    worker: &'o Arc<WorkerState>,
    exchange: &'o mut Exchange,
}

impl extend::Path for Judged<'_> {
    async fn answer(&mut self, request: Request<Body>) -> Response<ResponseBody> {
        let uri = request.uri().clone();
        let (worker, exchange) = (self.worker, &mut *self.exchange);
        let outcome = match canonicalize(uri.path()) {
            Ok(path) => {
                self.outgoing
                    .exchange(worker, Box::new(request), &path, exchange)
                    .await
            }
            Err(refused) => Err(Failure::PathRefused(refused.reason())),
        };
        outcome.unwrap_or_else(|failure| {
            exchange.note_failure(&failure);
            respond::refuse(&failure)
        })
    }
}

/// The request as the upstream gets it, and what has to be kept until it has answered.
#[derive(Debug)]
struct Sendable {
    /// Boxed: it is handed on many times, and moved each time.
    request: Box<Request<RequestBody>>,
    affinity: Affinity,
    names_endpoint: bool,
    /// Time for the answer's head; none for streams without a deadline.
    budget: Option<Duration>,
    switch: Option<Switch>,
}

/// A client that waits to leave HTTP.
#[derive(Debug)]
struct Switch {
    asked: websocket::Asked,
    client: OnUpgrade,
    /// How an upstream must answer the handshake.
    accept: HeaderValue,
}

impl Outgoing<'_> {
    /// Out and back, through the layers of the route if it has some.
    pub(super) async fn answer(
        &self,
        worker: &Arc<WorkerState>,
        request: Box<Request<Body>>,
        path: &CanonicalPath<'_>,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Failure> {
        match worker.gateway.extensions.of_route(&self.route.name) {
            None => self.exchange(worker, request, path, exchange).await,
            Some(layers) => {
                let judged = Judged {
                    outgoing: self,
                    worker,
                    exchange,
                };
                Ok(Box::pin(through(layers, *request, judged)).await)
            }
        }
    }

    async fn exchange(
        &self,
        worker: &Arc<WorkerState>,
        request: Box<Request<Body>>,
        path: &CanonicalPath<'_>,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Failure> {
        let sendable = self.request(request, path, exchange)?;
        self.send(worker, sendable, exchange).await
    }

    /// Turns the client's request into the one that the upstream gets.
    fn request(
        &self,
        mut request: Box<Request<Body>>,
        path: &CanonicalPath<'_>,
        exchange: &mut Exchange,
    ) -> Result<Sendable, Failure> {
        let limit_bytes = self.route.policy.body_limit_bytes;
        let length = announced_length(request.headers());
        if length.is_some_and(|length| length > limit_bytes) {
            return Err(Failure::BodyTooLarge { limit_bytes });
        }
        let grpc = streaming::is_grpc(request.headers());
        let budget = self.time_budget(request.headers(), grpc)?;
        let leaving = self
            .websocket
            .map(|asked| (asked, hyper::upgrade::on(&mut *request)));
        let (mut head, body) = request.into_parts();
        let config = &self.upstream.config;
        let host = host_header(&head);
        let target = upstream::request_target(&head.uri, path, config.strip_prefix.as_deref())
            .ok_or(Failure::PathRefused("the path cannot be forwarded"))?;
        let uri = std::mem::replace(&mut head.uri, target);
        let streaming = self.route.policy.streaming || grpc;

        let names_endpoint = self.tell(&mut head.headers, host.as_ref(), exchange);
        let affinity = Affinity::of(self.upstream, &head, exchange.client);
        for cookie in &self.snapshot.sticky_cookies {
            sticky::strip(&mut head.headers, cookie);
        }
        let copy = if grpc || self.websocket.is_some() {
            // They go on for as long as both sides have something to say.
            None
        } else {
            let original = mirror::Original {
                snapshot: self.snapshot,
                route: self.route,
                head: &head,
                uri: &uri,
                path,
                host: host.as_ref(),
                length,
                timeout: budget.unwrap_or(self.route.policy.timeout),
            };
            mirror::begin(exchange, &original)
        };
        upstream::tell_deadline(&mut head.headers, budget);

        head.version = http::Version::HTTP_11;
        head.extensions.clear();
        let switch = leaving.map(|(asked, client)| Switch {
            asked,
            client,
            accept: websocket::ask(&mut head.method, &mut head.headers),
        });
        let body = match switch {
            // What follows the head is for the tunnel.
            Some(_) => RequestBody::empty(),
            None => self.body(body, copy, streaming, exchange),
        };
        Ok(Sendable {
            request: Box::new(Request::from_parts(head, body)),
            affinity,
            names_endpoint,
            budget,
            switch,
        })
    }

    /// Says what upstreams are to know, and takes out what they are not. Returns whether each attempt has to
    /// name its endpoint as the host.
    fn tell(
        &self,
        headers: &mut HeaderMap,
        host: Option<&HeaderValue>,
        exchange: &Exchange,
    ) -> bool {
        hop_by_hop::strip_request(headers);
        let told = Told {
            client: exchange.client_value(),
            https: exchange.connection.https,
            host,
            trusted: self.trusted_peer,
        };
        forwarded::tell(headers, told);
        self.identify(headers);
        self.route.policy.request_headers.apply(headers);
        headers.insert(X_REQUEST_ID, exchange.request_id.clone());
        // Every HTTP/1.1 request names its host: the client's, or the endpoint's of each attempt.
        let own_host = host.filter(|_| self.upstream.config.preserve_host);
        if let Some(host) = own_host {
            headers.insert(http::header::HOST, host.clone());
        }
        own_host.is_none()
    }

    /// The client's body, bounded and watched on its way.
    fn body(
        &self,
        body: Body,
        copy: Option<Box<mirror::Begun>>,
        streaming: bool,
        exchange: &mut Exchange,
    ) -> RequestBody {
        let rules = UploadRules {
            limit_bytes: self.route.policy.body_limit_bytes,
            replay: self.route.policy.retries.attempts > 0,
            progress: progress(streaming, exchange),
            snapshot: Arc::clone(self.snapshot),
            copy: copy.map(Tee::new),
        };
        let (body, upload) = RequestBody::new(body, rules);
        exchange.upload = upload;
        body
    }

    /// Nothing the client sends is trusted as identity, even where no token was asked for.
    fn identify(&self, headers: &mut HeaderMap) {
        self.snapshot.authenticators.strip_identity_headers(headers);
        if let Some(token) = self.token {
            for (name, value) in &token.identity_headers {
                headers.insert(name.clone(), value.clone());
            }
        }
    }

    /// The route's timeout, or what is left of a caller's deadline if that is less.
    fn time_budget(&self, headers: &HeaderMap, grpc: bool) -> Result<Option<Duration>, Failure> {
        let told = self
            .trusted_peer
            .then(|| headers.get(upstream::X_REQUEST_DEADLINE_MS));
        let told = told
            .flatten()
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok())
            .map(Duration::from_millis);
        let asked = grpc.then(|| streaming::grpc_timeout(headers)).flatten();
        let own = (!self.route.policy.streaming && !grpc).then_some(self.route.policy.timeout);
        match [told, asked, own].into_iter().flatten().min() {
            Some(Duration::ZERO) => Err(Failure::DeadlineExceeded),
            budget => Ok(budget),
        }
    }

    /// Sends the request within its time. The clock starts when the client's body has been sent on: a
    /// slow upload is watched for standstill, not for length.
    async fn send(
        &self,
        worker: &Arc<WorkerState>,
        sendable: Sendable,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Failure> {
        let Sendable {
            request,
            affinity,
            names_endpoint,
            budget,
            switch,
        } = sendable;
        let upload = exchange.upload.clone();
        let uploading = || {
            upload
                .as_deref()
                .is_some_and(|upload| !Upload::ended(upload))
        };
        let forward = Forward {
            worker,
            upstream: self.upstream,
            upload: upload.clone(),
            retries: &self.route.policy.retries,
            try_timeout: self.route.policy.try_timeout,
            affinity,
            names_endpoint,
        };
        let sent = {
            let sent = pin!(upstream::forward(forward, request, exchange));
            upstream::within(&worker.timers, budget, uploading, sent).await
        };
        match sent {
            Some(Ok((response, lease))) => self.answered(response, lease, switch, exchange),
            Some(Err(Failure::BodyTooLarge { .. })) => Err(Failure::BodyTooLarge {
                limit_bytes: self.route.policy.body_limit_bytes,
            }),
            Some(Err(failure)) => Err(failure),
            None => {
                exchange.end_attempt(worker.gateway.clock.now());
                if let Some(endpoint) = &exchange.endpoint {
                    worker.record_endpoint_failure(
                        self.upstream,
                        endpoint,
                        AttemptOutcome::Timeout,
                    );
                }
                Err(Failure::UpstreamTimeout)
            }
        }
    }

    /// Takes the head of an upstream's answer.
    fn answered(
        &self,
        mut response: Response<Incoming>,
        lease: Lease,
        switch: Option<Switch>,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Failure> {
        if websocket::switches(&response, switch.is_some()) {
            // An upstream that switches unasked, or to something else, can't be followed.
            let switch = switch.ok_or(Failure::UpstreamMalformed)?;
            if !websocket::agreed(&response, &switch.accept) {
                return Err(Failure::UpstreamMalformed);
            }
            exchange.tunnel = Some(Tunnel {
                client: switch.client,
                upstream: hyper::upgrade::on(&mut response),
                lease,
            });
            let mut response = response.map(|_| ResponseBody::empty());
            self.prepare(response.headers_mut(), exchange);
            websocket::agree(switch.asked, switch.accept, &mut response);
            response.extensions_mut().clear();
            *response.version_mut() = http::Version::HTTP_11;
            return Ok(response);
        }
        let connecting = switch.is_some_and(|switch| switch.asked == websocket::Asked::Connect);
        if connecting && response.status().is_success() {
            // To CONNECT, any 2xx means that what follows is WebSocket.
            return Err(Failure::UpstreamMalformed);
        }
        let streaming = self.route.policy.streaming || streaming::is_answered(response.headers());
        let progress = progress(streaming, exchange);
        let mut response = response.map(|body| ResponseBody::streamed(body, lease, progress));
        response.extensions_mut().clear();
        *response.version_mut() = http::Version::HTTP_11;
        self.prepare(response.headers_mut(), exchange);
        Ok(response)
    }

    /// Makes the head of an upstream's answer the client's.
    fn prepare(&self, headers: &mut HeaderMap, exchange: &mut Exchange) {
        let endpoint = exchange.endpoint.as_ref();
        let rewrites = Rewrites {
            prefix: self.upstream.config.strip_prefix.as_deref(),
            authority: endpoint.map_or("", |endpoint| &*endpoint.authority),
        };
        respond::prepare(headers, rewrites);
        if let Some(name) = &self.upstream.served_by {
            headers.insert(X_SERVED_BY, name.clone());
        }
        // Ours is for the whole host, whatever prefix the upstream's own are for.
        if let Some(cookie) = exchange.set_cookie.take() {
            headers.append(http::header::SET_COOKIE, cookie);
        }
    }
}

/// A stream may pause for longer than an ordinary body.
fn progress(streaming: bool, exchange: &Exchange) -> Progress {
    let ordinary = exchange.connection.timeouts.body;
    Progress::within(if streaming {
        ordinary.max(STREAM_IDLE_TIMEOUT)
    } else {
        ordinary
    })
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(http::header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// The authority as the client gave it, but for the root's dot, which the route was found without:
/// HTTP/2 has it in the request's target.
fn host_header(head: &http::request::Parts) -> Option<HeaderValue> {
    let host = match head.uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => head.headers.get(http::header::HOST).cloned(),
    }?;
    let text = host.to_str().ok()?;
    let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
    match name.strip_suffix('.') {
        None => Some(host),
        Some(name) => HeaderValue::from_str(&format!("{name}{port}")).ok(),
    }
}
