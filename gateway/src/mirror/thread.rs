//! The thread that sends copies.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::runtime::Builder;
use tokio_util::task::TaskTracker;

use crate::defaults::{COPY_ANSWER_BYTES_MAX, MIRROR_NICENESS};
use crate::edge::Progress;
use crate::mirror::copy::Copy;
use crate::mirror::queue::Waiting;
use crate::respond::ResponseBody;
use crate::state::{GatewayState, WorkerState};
use crate::telemetry::AttemptOutcome;
use crate::upstream::{self, Once, Pool, Timers};

/// How often idle connections are looked through.
const SWEEP: Duration = Duration::from_secs(1);

/// Copies that are taken at once.
const COPIES_TAKEN_MAX: usize = 256;

/// How long copies are left to gather before the next are taken.
const PAUSE: Duration = Duration::from_millis(1);

/// Starts the thread. It has connections of its own and ends with the process: what it has not sent by then
/// is nobody's loss.
///
/// # Errors
/// When the system has no thread left.
pub(crate) fn start(gateway: &Arc<GatewayState>, waiting: Waiting) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let worker = Arc::new(WorkerState {
        gateway: Arc::clone(gateway),
        pool: Pool::default(),
        timers: Timers::default(),
        connections: TaskTracker::new(),
    });
    let thread = std::thread::Builder::new().name("mirror".to_owned());
    thread.spawn(move || {
        be_less_urgent();
        runtime.block_on(send_all(worker, waiting));
    })?;
    Ok(())
}

/// Where processors are scarce, those go first for whose answers somebody waits.
fn be_less_urgent() {
    // On Linux this is the thread's own, not the process's.
    if let Err(error) = rustix::process::setpriority_process(None, MIRROR_NICENESS) {
        tracing::debug!(%error, "the mirroring thread is as urgent as the others");
    }
}

async fn send_all(worker: Arc<WorkerState>, mut waiting: Waiting) {
    let mut sweeps = tokio::time::interval(SWEEP);
    let mut copies = Vec::new();
    loop {
        tokio::select! {
            taken = waiting.recv_many(&mut copies, COPIES_TAKEN_MAX) => {
                if taken == 0 {
                    return;
                }
                for copy in copies.drain(..) {
                    drop(tokio::spawn(send(Arc::clone(&worker), copy)));
                }
                // While it does not listen, nobody spends a system call on waking it.
                tokio::time::sleep(PAUSE).await;
            }
            _ = sweeps.tick() => worker.pool.sweep(worker.gateway.clock.now()),
        }
    }
}

/// Sends one copy when its turn comes, and counts what has become of it.
async fn send(worker: Arc<WorkerState>, copy: Copy) {
    let mirror = Arc::clone(copy.place.mirror());
    let (target, clock) = (&mirror.mirror, worker.gateway.clock);
    let count = |outcome| {
        let name = &mirror.config.name;
        worker.gateway.metrics.count_copy(name, outcome);
    };
    // Held to the end: the next one's turn comes with its drop.
    let Ok(_place) = Arc::clone(&target.places).acquire_owned().await else {
        return;
    };
    let now = clock.now();
    if now.since(copy.begun) >= copy.timeout {
        return count("too_late");
    }
    if !target.may_send(now) {
        return count("mirror_failing");
    }
    let (timeout, affinity, names_endpoint) = (copy.timeout, copy.affinity, copy.names_endpoint);
    let (request, upload) = upstream::own_request(copy.request, copy.snapshot, timeout);
    let once = Once {
        worker: &worker,
        upstream: &mirror,
        upload,
        affinity,
        names_endpoint,
    };
    let sent = pin!(async {
        let (response, lease) = upstream::send_once(once, request).await?;
        let status = response.status();
        // What it says is not heard, but read, so that the connection can be used again.
        let body = ResponseBody::streamed(response.into_body(), lease, Progress::within(timeout));
        read(body).await;
        Ok(status)
    });
    let outcome = match tokio::time::timeout(timeout, sent).await {
        Ok(Ok(status)) => AttemptOutcome::of(status),
        Ok(Err(outcome)) => outcome,
        Err(_) => AttemptOutcome::Timeout,
    };
    count(outcome.as_str());
    match outcome {
        AttemptOutcome::Answered | AttemptOutcome::ServerError => {
            if target.answered() {
                tracing::info!(mirror = %mirror.config.name, "mirror answers again");
            }
        }
        AttemptOutcome::Cancelled => {}
        failed => {
            if target.failed(clock.now()) {
                let (mirror, outcome) = (&mirror.config.name, failed.as_str());
                tracing::warn!(%mirror, outcome, "mirror fails and gets no copies for a while");
            }
        }
    }
}

/// Reads an answer to its end, or until it is too much.
async fn read(mut body: ResponseBody) {
    let mut bytes = 0;
    while !body.is_end_stream() && bytes <= COPY_ANSWER_BYTES_MAX {
        match body.frame().await {
            Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, Bytes::len),
            Some(Err(_)) | None => return,
        }
    }
}
