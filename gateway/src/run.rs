//! Starts the gateway: sockets, workers, control thread; and ends it in order.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use shutdown::Reason;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::admin;
use crate::auth::KeyCopies;
use crate::cache::Cache;
use crate::control::{self, FirstTable, Followed, KeptTable, LoadError, Reloader};
use crate::extend::Extensions;
use crate::lifecycle::{
    Inherited, Label, ListenError, Listeners, Predecessor, Upgrades, service_manager, start_workers,
};
use crate::mirror;
use crate::routing::Snapshot;
use crate::state::{Clock, GatewayState, Phase};
use crate::telemetry::{AccessLog, Metrics};

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
    /// What is to outlive the process; default: nothing does.
    pub(crate) state_dir: Option<PathBuf>,
    /// Stop when standard input ends.
    pub(crate) supervised: bool,
    pub(crate) extensions: Extensions,
}

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("{0}")]
    Table(Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("{0}")]
    Admin(String),
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

/// How long the start waits for the registry's first word before it serves without.
const FIRST_DISCOVERY_WAIT: Duration = Duration::from_secs(1);

/// Runs until a signal asks to stop, or a successor serves, and every request has been answered.
///
/// # Errors
/// [`StartError`]; once the gateway serves, it ends only by a signal.
pub(crate) fn run(options: &Options) -> Result<(), StartError> {
    // Before there is another thread: it changes the environment.
    let mut inherited = Inherited::from_environment();
    let predecessor = inherited.take_predecessor();
    match Gateway::start(options, inherited) {
        Ok(gateway) => {
            gateway.live(options, predecessor.as_ref());
            Ok(())
        }
        Err(error) => {
            if let Some(predecessor) = predecessor {
                predecessor.failed(&error);
            }
            Err(error)
        }
    }
}

/// All that has been started, and what it takes to end it.
struct Gateway {
    state: Arc<GatewayState>,
    listeners: Arc<Listeners>,
    /// The admin listener's sockets, with what a successor is told of them.
    admin: Vec<(Label, TcpListener)>,
    files: Followed,
    refused_files: Vec<Arc<str>>,
    kept: KeptTable,
    control: Runtime,
    workers: Vec<JoinHandle<()>>,
}

impl Gateway {
    /// Opens sockets and starts threads. Nothing is accepted before the phase is [`Phase::Serving`].
    fn start(options: &Options, mut inherited: Inherited) -> Result<Self, StartError> {
        let kept = KeptTable::below(options.state_dir.as_deref());
        let FirstTable {
            table,
            files,
            refused: refused_files,
        } = control::first_table(&options.config, &kept)?;
        let control = Builder::new_current_thread().enable_all().build()?;

        let draining = CancellationToken::new();
        let listeners = Arc::new(Listeners::new(options.workers, draining.clone()));
        let plan = listeners.plan(&table, &mut inherited)?;
        let admin = admin::bind(&table.admin.bind, &mut inherited).map_err(StartError::Admin)?;
        inherited.close_rest();
        let metrics = Metrics::new();
        // A snapshot starts tasks that fetch keys; they belong to the control thread.
        options.extensions.warn_of_unused(&table);
        let entered = control.enter();
        let clock = Clock::start();
        let (mirrors, queue) = mirror::queue();
        let copies = options.state_dir.as_deref().map(KeyCopies::below);
        let copies = copies.unwrap_or_default();
        let cache = Cache::new(table.cache.bytes);
        let state = Arc::new(GatewayState {
            snapshot: ArcSwap::from_pointee(Snapshot::first(table, clock.now(), copies)),
            access_log: match &options.access_log {
                Some(path) => open_access_log(path, &metrics)?,
                None => AccessLog::stdout(&metrics),
            },
            metrics,
            mirrors,
            cache,
            clock,
            extensions: options.extensions.clone(),
            phase: watch::Sender::new(Phase::Starting),
            draining,
        });
        drop(entered);

        listeners.apply(plan);
        for (_, socket) in &admin {
            if let Ok(addr) = socket.local_addr() {
                tracing::info!(listener = "admin", %addr, "listening");
            }
        }
        mirror::start(&state, queue)?;
        let workers = start_workers(&state, &listeners)?;
        Ok(Self {
            state,
            listeners,
            admin,
            files,
            refused_files,
            kept,
            control,
            workers,
        })
    }

    /// Serves until the end, and waits for the workers while the control thread goes on serving health
    /// and metrics.
    fn live(self, options: &Options, predecessor: Option<&Predecessor>) {
        self.control
            .block_on(self.control_thread(options, predecessor));
        let (done, all_done) = tokio::sync::oneshot::channel::<()>();
        let workers = self.workers;
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
        let _ = self.control.block_on(all_done);
        drop(waiter.join());
        self.state.access_log.close();
        tracing::info!("stopped");
    }

    /// The control thread's life: start its tasks, say ready, wait for a reason to stop, drain.
    async fn control_thread(&self, options: &Options, predecessor: Option<&Predecessor>) {
        let snapshot = self.state.snapshot.load_full();
        let first_lists = control::start_tasks(&self.state, None, &snapshot);
        let admin_closing = self.serve_admin();
        self.follow_files();
        // Signals are heard before "ready" is said: from then on somebody may send them.
        let upgraded = upgraded(Arc::clone(&self.listeners), &self.admin);
        let stop = shutdown::requested(options.supervised);

        let heard = futures_util::future::join_all(first_lists);
        if tokio::time::timeout(FIRST_DISCOVERY_WAIT, heard)
            .await
            .is_err()
        {
            tracing::warn!("the registry has not answered yet; serving what is known");
        }
        self.state.phase.send_replace(Phase::Serving);
        let metrics = &self.state.metrics;
        metrics.table_applied(snapshot.generation, &self.refused_files);
        tracing::info!(
            generation = snapshot.generation,
            routes = snapshot.table.routes.len(),
            workers = options.workers,
            "gateway ready"
        );
        // Tasks of what a reload takes away end when nobody holds it any more.
        drop(snapshot);
        if let Some(predecessor) = predecessor {
            predecessor.ready();
        }
        service_manager::ready();

        tokio::select! {
            reason = stop => self.stop(reason, options.drain_delay).await,
            pid = upgraded => {
                service_manager::succeeded_by(pid);
                admin_closing.cancel();
                control::close(&self.state, &self.listeners);
            }
        }
    }

    /// Serves the admin API until the token is cancelled.
    fn serve_admin(&self) -> CancellationToken {
        let closing = CancellationToken::new();
        for (_, socket) in &self.admin {
            let socket = socket.try_clone();
            match socket.and_then(tokio::net::TcpListener::from_std) {
                Ok(socket) => drop(tokio::spawn(admin::serve(
                    socket,
                    Arc::clone(&self.state),
                    closing.clone(),
                ))),
                Err(error) => tracing::error!(%error, "admin listener cannot be used"),
            }
        }
        closing
    }

    /// Follows the table's files, those that they name, and the certificates'.
    fn follow_files(&self) {
        drop(control::supervised("certificates", {
            let listeners = Arc::clone(&self.listeners);
            move || control::follow_certificates(Arc::clone(&listeners))
        }));
        let reload_now = Arc::new(Notify::new());
        drop(control::supervised("reload", {
            let (state, listeners) = (Arc::clone(&self.state), Arc::clone(&self.listeners));
            let (kept, files) = (self.kept.clone(), self.files.clone());
            let reload_now = Arc::clone(&reload_now);
            move || {
                let reloader = Reloader {
                    gateway: Arc::clone(&state),
                    listeners: Arc::clone(&listeners),
                    kept: kept.clone(),
                    files: files.clone(),
                };
                let reload_now = Arc::clone(&reload_now);
                async move { reloader.follow(&reload_now).await }
            }
        }));
        drop(control::supervised("answer files", {
            let (state, reload_now) = (Arc::clone(&self.state), Arc::clone(&reload_now));
            move || control::follow_answer_files(Arc::clone(&state), Arc::clone(&reload_now))
        }));
        if let Some(hangups) = hear(SignalKind::hangup(), "SIGHUP") {
            drop(tokio::spawn(reload_on_hangup(hangups, reload_now)));
        }
    }

    async fn stop(&self, reason: Reason, delay: Duration) {
        tracing::info!(?reason, "stopping");
        service_manager::stopping();
        tokio::select! {
            () = control::drain(&self.state, &self.listeners, delay) => {}
            // Asked twice: the person is in a hurry.
            _ = shutdown::requested(false) => control::close(&self.state, &self.listeners),
        }
    }
}

fn open_access_log(path: &Path, metrics: &Metrics) -> Result<AccessLog, StartError> {
    AccessLog::file(path, metrics).map_err(|source| StartError::AccessLog {
        path: path.to_owned(),
        source,
    })
}

/// Completes with its process id when a successor serves; SIGUSR2 starts one. It is heard from the call
/// on.
fn upgraded(
    listeners: Arc<Listeners>,
    admin: &[(Label, TcpListener)],
) -> impl Future<Output = u32> + use<> {
    let asked = hear(SignalKind::user_defined2(), "SIGUSR2");
    let admin = admin
        .iter()
        .filter_map(|(label, socket)| Some((label.clone(), socket.try_clone().ok()?)))
        .collect();
    let upgrades = Upgrades::new(listeners, admin);
    async move {
        match asked {
            Some(asked) => upgrades.follow(asked).await,
            None => std::future::pending().await,
        }
    }
}

fn hear(kind: SignalKind, name: &str) -> Option<Signal> {
    signal(kind)
        .inspect_err(|error| tracing::error!(%error, "{name} is not heard"))
        .ok()
}

async fn reload_on_hangup(mut hangups: Signal, reload_now: Arc<Notify>) {
    while hangups.recv().await.is_some() {
        service_manager::reloading();
        reload_now.notify_one();
    }
}
