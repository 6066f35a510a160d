//! An upstream connection in use.

use std::sync::Arc;

use crate::balance::InFlight;
use crate::edge::Upload;
use crate::state::WorkerState;
use crate::upstream::circuit::Permit;
use crate::upstream::connection::Connection;

/// Holds a connection while its answer is read. Given back, it serves the next request; dropped, an
/// HTTP/1.1 connection is closed, because nobody knows what is still to come on it, and a stream of
/// HTTP/2 ends alone.
pub(crate) struct Lease {
    connection: Connection,
    in_flight: InFlight,
    worker: Arc<WorkerState>,
    /// Counts against the upstream's circuit until the answer has been read.
    permit: Permit,
    upload: Option<Arc<Upload>>,
}

impl Lease {
    pub(super) fn new(
        connection: Connection,
        in_flight: InFlight,
        worker: Arc<WorkerState>,
        permit: Permit,
        upload: Option<Arc<Upload>>,
    ) -> Self {
        Self {
            connection,
            in_flight,
            worker,
            permit,
            upload,
        }
    }

    /// Ends a tunnel whose other side may take no more of it: an HTTP/2 stream may then stay open.
    pub(crate) fn abandon(self) {
        if let Connection::Http2(stream) = self.connection {
            stream.overtaken();
        }
    }

    /// Returns the connection to its pool: the answer has been read to its end.
    pub(crate) fn give_back(self) {
        let overtaken = self.upload.is_some_and(|upload| !upload.ended());
        let connection = match self.connection {
            Connection::Http1(connection) => connection,
            Connection::Http2(stream) => {
                if overtaken {
                    stream.overtaken();
                }
                return;
            }
        };
        // An answer that overtook its request leaves a connection on which the request still runs.
        if overtaken {
            return;
        }
        // Idle in this worker's pool it would be of no use to another worker that waits for one.
        if self.permit.upstream().open_connections.are_waited_for() {
            return;
        }
        let now = self.worker.gateway.clock.now();
        self.worker
            .pool
            .put(self.in_flight.endpoint(), connection, now);
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease")
            .field("endpoint", &self.in_flight.endpoint().name)
            .finish()
    }
}
