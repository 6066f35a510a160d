//! Sends a request to one endpoint, once.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;

use crate::balance::Endpoint;
use crate::edge::RequestBody;
use crate::state::WorkerState;
use crate::upstream::connect::{ConnectError, connect};
use crate::upstream::state::UpstreamState;

/// An attempt that brought no response.
#[derive(Debug)]
pub(super) enum AttemptError {
    /// Not a byte was sent: the request comes back whole and may go anywhere.
    NotSent {
        request: Box<Request<RequestBody>>,
        error: ConnectError,
    },
    /// The request went out, at least in part, and no response came.
    Broken { error: hyper::Error },
}

/// Sends `request` on a pooled connection, or on a new one.
pub(super) async fn attempt(
    worker: &WorkerState,
    upstream: &UpstreamState,
    endpoint: &Arc<Endpoint>,
    mut request: Request<RequestBody>,
) -> Result<(Response<Incoming>, SendRequest<RequestBody>), AttemptError> {
    loop {
        let now = worker.gateway.clock.now();
        let pooled = worker.pool.take(endpoint.id, now);
        let fresh = pooled.is_none();
        let mut sender = match pooled {
            Some(sender) => sender,
            None => match connect(endpoint, upstream.config.connections.connect_timeout).await {
                Ok(sender) => sender,
                Err(error) => {
                    return Err(AttemptError::NotSent {
                        request: Box::new(request),
                        error,
                    });
                }
            },
        };
        // A pooled connection may still be finishing its last exchange, or have been closed by the peer.
        if sender.ready().await.is_err() && !fresh {
            continue;
        }
        match sender.try_send_request(request).await {
            Ok(response) => return Ok((response, sender)),
            Err(mut error) => match error.take_message() {
                // Closed before a byte went out. On a pooled connection that is ordinary: next one.
                Some(unsent) if !fresh => request = unsent,
                Some(unsent) => {
                    return Err(AttemptError::NotSent {
                        request: Box::new(unsent),
                        error: ConnectError::Http(error.into_error()),
                    });
                }
                None => {
                    return Err(AttemptError::Broken {
                        error: error.into_error(),
                    });
                }
            },
        }
    }
}
