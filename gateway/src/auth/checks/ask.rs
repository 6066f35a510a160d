use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use route_table::table::UpstreamId;

use crate::upstream::Unanswered;

/// How a request that is being authorised asks one of the table's upstreams something.
pub(crate) trait Ask: Sync {
    /// Returns the whole answer, whatever its status.
    fn ask(
        &self,
        upstream: UpstreamId,
        question: Request<Bytes>,
        timeout: Duration,
    ) -> impl Future<Output = Result<Response<Bytes>, Unanswered>> + Send;
}
