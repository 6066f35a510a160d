//! One attempt for a request of the gateway's own, or for a copy whose answer nobody waits for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Request, Response};
use hyper::body::Incoming;

use crate::balance::select;
use crate::edge::{Progress, RequestBody, Upload, UploadRules};
use crate::extend::Body;
use crate::routing::Snapshot;
use crate::state::WorkerState;
use crate::telemetry::AttemptOutcome;
use crate::upstream::affinity::Affinity;
use crate::upstream::attempt::{AttemptError, attempt};
use crate::upstream::circuit::Permit;
use crate::upstream::forward::{broken, set_host};
use crate::upstream::{Lease, UpstreamState, unusable};

/// What one attempt needs besides the request.
#[derive(Debug)]
pub(crate) struct Once<'o> {
    pub(crate) worker: &'o Arc<WorkerState>,
    pub(crate) upstream: &'o Arc<UpstreamState>,
    pub(crate) upload: Option<Arc<Upload>>,
    pub(crate) affinity: Affinity,
    /// The client's host is not passed on: the request is for the endpoint's own.
    pub(crate) names_endpoint: bool,
}

/// Sends `request` to one endpoint. The attempt is held against nobody: it may have been slow on our side,
/// where it is the last in line. Nor does it take a place of the upstream's circuit from anybody.
///
/// # Errors
/// How it has failed; [`AttemptOutcome::Cancelled`]: it was not sent, because there is no endpoint or the
/// upstream may have no more connections.
pub(crate) async fn send_once(
    once: Once<'_>,
    mut request: Box<Request<RequestBody>>,
) -> Result<(Response<Incoming>, Lease), AttemptOutcome> {
    let (worker, upstream) = (once.worker, once.upstream);
    let selection = once
        .affinity
        .selection(fastrand::u64(..), worker.gateway.clock.now());
    let endpoint = select(&upstream.endpoints(), &selection).ok_or(AttemptOutcome::Cancelled)?;
    let in_flight = endpoint.begin();
    if once.names_endpoint {
        set_host(request.headers_mut(), &endpoint);
    }
    debug_assert!(request.headers().contains_key(HOST) || endpoint.host.is_none());
    let (response, connection) = match attempt(worker, upstream, &endpoint, request).await {
        Ok((response, connection)) => match unusable::check(response.headers()) {
            Ok(()) => (response, connection),
            Err(_) => return Err(AttemptOutcome::Malformed),
        },
        Err(AttemptError::NotSent { error, .. }) if error.is_circuit_open() => {
            return Err(AttemptOutcome::Cancelled);
        }
        Err(AttemptError::NotSent { .. }) => return Err(AttemptOutcome::ConnectError),
        Err(AttemptError::Broken { fault, .. }) => return Err(broken(fault).1),
    };
    let permit = Permit::uncounted(upstream);
    let lease = Lease::new(
        connection,
        in_flight,
        Arc::clone(worker),
        permit,
        once.upload,
    );
    Ok((response, lease))
}

/// A request whose body is at hand, as a connection takes it.
pub(crate) fn own_request(
    request: Request<Bytes>,
    snapshot: Arc<Snapshot>,
    timeout: Duration,
) -> (Box<Request<RequestBody>>, Option<Arc<Upload>>) {
    let (head, body) = request.into_parts();
    let rules = UploadRules {
        limit_bytes: u64::MAX,
        replay: false,
        progress: Progress::within(timeout),
        snapshot,
        copy: None,
    };
    let (body, upload) = if body.is_empty() {
        (RequestBody::empty(), None)
    } else {
        RequestBody::new(Body::from(body), rules)
    };
    (Box::new(Request::from_parts(head, body)), upload)
}
