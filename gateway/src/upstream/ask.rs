//! A question of the gateway's own to an upstream, with the whole answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::BodyExt as _;

use crate::edge::Progress;
use crate::respond::ResponseBody;
use crate::routing::Snapshot;
use crate::state::WorkerState;
use crate::telemetry::AttemptOutcome;
use crate::upstream::UpstreamState;
use crate::upstream::affinity::Affinity;
use crate::upstream::once::{Once, own_request, send_once};

/// Attempts at a question: a second one where a connection had been closed by the other side, or an
/// endpoint was not there.
const ATTEMPTS: u32 = 2;

/// Who is asked, and what it may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) worker: &'a Arc<WorkerState>,
    pub(crate) snapshot: &'a Arc<Snapshot>,
    pub(crate) upstream: &'a Arc<UpstreamState>,
    /// For all attempts together.
    pub(crate) timeout: Duration,
    /// Bytes of an answer's body; a longer one is none.
    pub(crate) answer_bytes_max: usize,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error("no answer in time")]
    Timeout,
    #[error("the answer is too long")]
    TooLong,
    #[error("{}", .0.as_str())]
    Failed(AttemptOutcome),
}

/// Asks an endpoint of an upstream, and another one if the first can't be reached or breaks off. Only for what may be
/// asked twice.
///
/// # Errors
/// [`Unanswered`]. Any status is an answer.
pub(crate) async fn ask(
    asking: Asking<'_>,
    question: Request<Bytes>,
) -> Result<Response<Bytes>, Unanswered> {
    let asked = async {
        let mut attempt = 1;
        loop {
            match ask_once(asking, question.clone()).await {
                Err(Unanswered::Failed(_)) if attempt < ATTEMPTS => attempt += 1,
                outcome => return outcome,
            }
        }
    };
    match tokio::time::timeout(asking.timeout, asked).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Unanswered::Timeout),
    }
}

async fn ask_once(
    asking: Asking<'_>,
    question: Request<Bytes>,
) -> Result<Response<Bytes>, Unanswered> {
    let (request, upload) = own_request(question, Arc::clone(asking.snapshot), asking.timeout);
    let once = Once {
        worker: asking.worker,
        upstream: asking.upstream,
        upload,
        affinity: Affinity::none(),
        names_endpoint: true,
    };
    let (response, lease) = send_once(once, request).await.map_err(Unanswered::Failed)?;
    let (head, incoming) = response.into_parts();
    let progress = Progress::within(asking.timeout);
    let mut body = ResponseBody::streamed(incoming, lease, progress);
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Unanswered::Failed(AttemptOutcome::Reset))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > asking.answer_bytes_max {
            return Err(Unanswered::TooLong);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Response::from_parts(head, bytes.freeze()))
}
