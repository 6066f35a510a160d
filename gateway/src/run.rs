//! Starts the gateway: sockets, workers, control thread; and ends it in order.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use route_table::Table;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;

use crate::admin;
use crate::control::{self, Fingerprint, LoadError, Reloader};
use crate::defaults::DRAIN_TIMEOUT;
use crate::extend::Extensions;
use crate::listener::{
    Acceptor, BindError, Bound, CertificateError, Certificates, accept_until_drained, bind,
};
use crate::pipeline::Pipeline;
use crate::routing::Snapshot;
use crate::state::{Clock, GatewayState, Phase, WorkerState};
use crate::telemetry::{AccessLog, Metrics};
use crate::upstream::Pool;

/// How `gateway run` was called.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The route table.
    pub(crate) config: PathBuf,
    /// Worker threads; default: one a core.
    pub(crate) workers: usize,
    /// Time between "not ready" and the end of accepting.
    pub(crate) drain_delay: Duration,
    /// Where access-log lines go; default: standard output.
    pub(crate) access_log: Option<PathBuf>,
    /// Stop when standard input ends.
    pub(crate) supervised: bool,
    pub(crate) extensions: Extensions,
}

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("{0}")]
    Table(Box<dyn std::error::Error + Send + Sync>),
    #[error("{0}")]
    Listen(String),
    #[error("listener `{listener}`: {source}")]
    Certificate {
        listener: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("access log {}: {source}", path.display())]
    AccessLog {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

impl From<LoadError> for StartError {
    fn from(error: LoadError) -> Self {
        Self::Table(Box::new(error))
    }
}

impl From<BindError> for StartError {
    fn from(error: BindError) -> Self {
        Self::Listen(error.to_string())
    }
}

/// How long the start waits for the registry's first word before it serves without.
const FIRST_DISCOVERY_WAIT: Duration = Duration::from_secs(1);

/// How often a worker puts its own house in order.
const WORKER_TICK: Duration = Duration::from_millis(100);

/// Runs until a signal asks to stop and every request has been answered.
///
/// # Errors
/// [`StartError`]; once the gateway serves, it ends only by a signal.
pub(crate) fn run(options: &Options) -> Result<(), StartError> {
    let started_with = Fingerprint::of(&options.config);
    let table = control::load(&options.config)?;
    let control = Builder::new_current_thread().enable_all().build()?;

    let listeners = open_listeners(&table, options.workers)?;
    let admin = control
        .block_on(admin::bind(&table.admin.bind))
        .map_err(StartError::Listen)?;
    let metrics = Metrics::new();
    // A snapshot starts tasks that fetch keys; they belong to the control thread.
    options.extensions.warn_of_unused(&table);
    let entered = control.enter();
    let clock = Clock::start();
    let gateway = Arc::new(GatewayState {
        snapshot: ArcSwap::from_pointee(Snapshot::build(None, table, clock.now())),
        access_log: match &options.access_log {
            Some(path) => open_access_log(path, &metrics)?,
            None => AccessLog::stdout(&metrics),
        },
        metrics,
        clock,
        extensions: options.extensions.clone(),
        phase: watch::Sender::new(Phase::Starting),
    });
    drop(entered);

    let certificates = listeners
        .iter()
        .filter_map(|open| open.certificates.clone())
        .collect();
    announce(&listeners, &admin);
    let workers = start_workers(&gateway, listeners, options.workers)?;
    control.block_on(control_thread(
        options,
        &gateway,
        started_with,
        certificates,
        admin,
    ));
    finish(&control, &gateway, workers);
    Ok(())
}

fn open_access_log(path: &Path, metrics: &Metrics) -> Result<AccessLog, StartError> {
    AccessLog::file(path, metrics).map_err(|source| StartError::AccessLog {
        path: path.to_owned(),
        source,
    })
}

/// A listener with its sockets.
struct OpenListener {
    acceptor: Acceptor,
    certificates: Option<Arc<Certificates>>,
    bound: Vec<Bound>,
}

fn open_listeners(table: &Table, workers: usize) -> Result<Vec<OpenListener>, StartError> {
    let open = |listener: &route_table::table::Listener| {
        let certificates = match listener.tls.clone().map(Certificates::load).transpose() {
            Ok(certificates) => certificates,
            Err(error) => return Err(certificate_error(&listener.name, error)),
        };
        let tls = certificates.as_ref().map(Certificates::server_config);
        let acceptor = Acceptor {
            listener: Arc::clone(&listener.name),
            kind: listener.kind,
            tls,
        };
        Ok(OpenListener {
            acceptor,
            certificates,
            bound: bind(listener, workers)?,
        })
    };
    table.listeners.iter().map(open).collect()
}

fn certificate_error(listener: &str, error: CertificateError) -> StartError {
    StartError::Certificate {
        listener: listener.to_owned(),
        source: Box::new(error),
    }
}

/// Says where the gateway listens: with port 0 in the table nobody could know otherwise.
fn announce(listeners: &[OpenListener], admin: &[tokio::net::TcpListener]) {
    for open in listeners {
        for bound in &open.bound {
            tracing::info!(listener = %open.acceptor.listener, addr = %bound.addr, "listening");
        }
    }
    for socket in admin {
        if let Ok(addr) = socket.local_addr() {
            tracing::info!(listener = "admin", %addr, "listening");
        }
    }
}

/// One thread a worker, each with its own runtime, sockets and upstream connections.
fn start_workers(
    gateway: &Arc<GatewayState>,
    listeners: Vec<OpenListener>,
    workers: usize,
) -> Result<Vec<JoinHandle<()>>, StartError> {
    let mut shares: Vec<Vec<(std::net::TcpListener, Acceptor)>> =
        (0..workers).map(|_| Vec::new()).collect();
    for open in listeners {
        for bound in open.bound {
            for (share, socket) in shares.iter_mut().zip(bound.sockets) {
                share.push((socket, open.acceptor.clone()));
            }
        }
    }
    shares
        .into_iter()
        .enumerate()
        .map(|(index, share)| {
            let gateway = Arc::clone(gateway);
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            Ok(thread.spawn(move || runtime.block_on(work(gateway, share)))?)
        })
        .collect()
}

/// A worker's whole life.
async fn work(gateway: Arc<GatewayState>, share: Vec<(std::net::TcpListener, Acceptor)>) {
    let worker = Arc::new(WorkerState {
        gateway: Arc::clone(&gateway),
        pool: Pool::default(),
        connections: TaskTracker::new(),
    });
    let accepting = TaskTracker::new();
    for (socket, acceptor) in share {
        let pipeline = Pipeline {
            worker: Arc::clone(&worker),
        };
        match tokio::net::TcpListener::from_std(socket) {
            Ok(socket) => {
                accepting.spawn(accept_until_drained(socket, acceptor, pipeline));
            }
            Err(error) => tracing::error!(%error, "worker cannot use its socket"),
        }
    }
    accepting.close();
    let housekeeping = tokio::spawn(keep_house(Arc::clone(&worker)));
    accepting.wait().await;
    worker.connections.close();
    if tokio::time::timeout(DRAIN_TIMEOUT, worker.connections.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            open = worker.connections.len(),
            "connections cut off at the end of the drain"
        );
    }
    housekeeping.abort();
    gateway.access_log.flush();
}

/// What a worker does beside requests: closes upstream connections that nobody needs, hands over log
/// lines.
async fn keep_house(worker: Arc<WorkerState>) {
    let mut ticks = tokio::time::interval(WORKER_TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        worker.pool.sweep(worker.gateway.clock.now());
        worker.gateway.access_log.flush();
    }
}

/// The control thread's life: start its tasks, say ready, wait for a reason to stop, drain.
async fn control_thread(
    options: &Options,
    gateway: &Arc<GatewayState>,
    started_with: Fingerprint,
    certificates: Vec<Arc<Certificates>>,
    admin: Vec<tokio::net::TcpListener>,
) {
    let snapshot = gateway.snapshot.load_full();
    let first_lists = control::start_tasks(gateway, None, &snapshot);
    for socket in admin {
        tokio::spawn(admin::serve(socket, Arc::clone(gateway)));
    }
    drop(control::supervised("certificates", move || {
        control::follow_certificates(certificates.clone())
    }));
    let reload_now = Arc::new(Notify::new());
    drop(control::supervised("reload", {
        let (gateway, reload_now) = (Arc::clone(gateway), Arc::clone(&reload_now));
        let (path, started_with) = (options.config.clone(), started_with);
        move || {
            let reloader = Reloader::new(path.clone(), Arc::clone(&gateway), started_with);
            let reload_now = Arc::clone(&reload_now);
            async move { reloader.follow(&reload_now).await }
        }
    }));
    // Signals are heard before "ready" is said: from then on somebody may send them.
    match signal(SignalKind::hangup()) {
        Ok(hangups) => drop(tokio::spawn(reload_on_hangup(hangups, reload_now))),
        Err(error) => tracing::error!(%error, "SIGHUP is not heard"),
    }
    let stop = shutdown::requested(options.supervised);

    let heard = futures_util::future::join_all(first_lists);
    if tokio::time::timeout(FIRST_DISCOVERY_WAIT, heard)
        .await
        .is_err()
    {
        tracing::warn!("the registry has not answered yet; serving what is known");
    }
    gateway.phase.send_replace(Phase::Serving);
    gateway.metrics.reload_succeeded(snapshot.generation);
    tracing::info!(
        generation = snapshot.generation,
        routes = snapshot.table.routes.len(),
        workers = options.workers,
        "gateway ready"
    );
    // Tasks of what a reload takes away end when nobody holds it any more.
    drop(snapshot);

    let reason = stop.await;
    tracing::info!(?reason, "stopping");
    tokio::select! {
        () = control::drain(gateway, options.drain_delay) => {}
        // Asked twice: the person is in a hurry.
        _ = shutdown::requested(false) => {
            gateway.phase.send_replace(Phase::Draining);
        }
    }
}

async fn reload_on_hangup(mut hangups: Signal, reload_now: Arc<Notify>) {
    while hangups.recv().await.is_some() {
        reload_now.notify_one();
    }
}

/// Waits for the workers while the control thread goes on serving health and metrics.
fn finish(control: &Runtime, gateway: &Arc<GatewayState>, workers: Vec<JoinHandle<()>>) {
    let (done, all_done) = tokio::sync::oneshot::channel::<()>();
    let waiter = std::thread::spawn(move || {
        for worker in workers {
            if worker.join().is_err() {
                tracing::error!("a worker thread panicked");
            }
        }
        // The receiver waits below for as long as this thread runs.
        let _ = done.send(());
    });
    // An error means that the waiter is gone, which is what we wait for.
    let _ = control.block_on(all_done);
    drop(waiter.join());
    gateway.access_log.close();
    tracing::info!("stopped");
}
