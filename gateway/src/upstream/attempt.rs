//! Sends a request to one endpoint, once.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;

use crate::balance::Endpoint;
use crate::edge::RequestBody;
use crate::state::WorkerState;
use crate::upstream::acquire::acquire;
use crate::upstream::connect::ConnectError;
use crate::upstream::connection::{Connection, Need, Sent};
use crate::upstream::fault::Fault;
use crate::upstream::state::UpstreamState;

/// An attempt that brought no response.
#[derive(Debug)]
pub(super) enum AttemptError {
    /// The endpoint has not processed any of it: the request comes back whole and may go anywhere.
    NotSent {
        request: Box<Request<RequestBody>>,
        error: ConnectError,
    },
    /// The request went out, at least in part, and no response came.
    Broken { error: hyper::Error, fault: Fault },
}

/// Sends `request` on a pooled connection, or on a new one.
pub(super) async fn attempt(
    worker: &Arc<WorkerState>,
    upstream: &Arc<UpstreamState>,
    endpoint: &Arc<Endpoint>,
    mut request: Request<RequestBody>,
) -> Result<(Response<Incoming>, Connection), AttemptError> {
    let need = Need::of(&request);
    loop {
        let connection = match acquire(worker, upstream, endpoint, need).await {
            Ok(connection) => connection,
            Err(error) => {
                return Err(AttemptError::NotSent {
                    request: Box::new(request),
                    error,
                });
            }
        };
        // Ends: each round uses up a connection that had served before, and new ones are never stale.
        match connection.exchange(endpoint, request).await {
            Sent::Answered(response, connection) => return Ok((response, connection)),
            Sent::Stale(unsent) => request = unsent,
            Sent::Failed(error) => {
                complain(worker, upstream, endpoint, &error);
                return Err(error);
            }
        }
    }
}

/// Says that an endpoint does not trust us: it will not pass by itself.
fn complain(
    worker: &WorkerState,
    upstream: &UpstreamState,
    endpoint: &Endpoint,
    error: &AttemptError,
) {
    if let AttemptError::Broken {
        error,
        fault: Fault::Untrusted,
    } = error
        && upstream.may_complain(worker.gateway.clock.now())
    {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        tracing::warn!(
            upstream = %upstream.config.name,
            endpoint = %endpoint.authority,
            error = cause.unwrap_or_default(),
            "endpoint does not trust the gateway"
        );
    }
}
