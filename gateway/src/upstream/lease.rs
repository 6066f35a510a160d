//! An upstream connection in use.

use std::sync::Arc;

use hyper::client::conn::http1::SendRequest;

use crate::balance::InFlight;
use crate::edge::{RequestBody, Upload};
use crate::state::WorkerState;
use crate::upstream::circuit::Permit;

/// Holds a connection while its answer is read. Given back, it serves the next request; dropped, it is
/// closed, because nobody knows what is still to come on it.
pub(crate) struct Lease {
    sender: SendRequest<RequestBody>,
    in_flight: InFlight,
    worker: Arc<WorkerState>,
    permit: Permit,
    upload: Option<Arc<Upload>>,
}

impl Lease {
    pub(super) fn new(
        sender: SendRequest<RequestBody>,
        in_flight: InFlight,
        worker: Arc<WorkerState>,
        permit: Permit,
        upload: Option<Arc<Upload>>,
    ) -> Self {
        Self {
            sender,
            in_flight,
            worker,
            permit,
            upload,
        }
    }

    /// Returns the connection to its pool: the answer has been read to its end.
    pub(crate) fn give_back(self) {
        // An answer that overtook its request leaves a connection on which the request still runs.
        if self.upload.is_some_and(|upload| !upload.ended()) {
            return;
        }
        let endpoint = self.in_flight.endpoint().id;
        let now = self.worker.gateway.clock.now();
        let idle_timeout = self.permit.upstream().config.connections.idle_timeout;
        self.worker
            .pool
            .put(endpoint, self.sender, now, idle_timeout);
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease")
            .field("endpoint", &self.in_flight.endpoint().authority)
            .finish()
    }
}
