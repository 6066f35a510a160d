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
    mut request: Box<Request<RequestBody>>,
) -> Result<(Response<Incoming>, Connection), AttemptError> {
    let need = Need::of(&request);
    loop {
        let connection = match acquire(worker, upstream, endpoint, need).await {
            Ok(connection) => connection,
            Err(error) => {
                return Err(AttemptError::NotSent { request, error });
            }
        };
        // Ends: each round uses up a connection that had served before, and new ones are never stale.
        match connection.exchange(endpoint, request).await {
            Sent::Answered(response, connection) => return Ok((response, connection)),
            Sent::Stale(unsent) => request = unsent,
            Sent::Failed(error) => return Err(error),
        }
    }
}
