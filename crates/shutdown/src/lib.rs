//! Tells a process when to stop: a signal, or the end of the launcher that started it.

use std::io::Read as _;
use std::sync::OnceLock;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Why the process should stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// SIGTERM.
    Terminate,
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// Standard input ended: the launcher that held its other end is gone.
    LauncherGone,
}

/// Completes when the process should stop. With `supervised`, the end of standard input counts too:
/// a launcher that holds the other end of that pipe can't leave an orphan behind, even when it is
/// killed with -9.
///
/// Signals are heard from the call on, not only from the first `await`: whoever says that it is ready
/// after this call can be stopped in order from then on. Call it again to hear of a second request,
/// from a person in a hurry.
pub fn requested(supervised: bool) -> impl Future<Output = Reason> {
    let mut terminate = listen(SignalKind::terminate());
    let mut interrupt = listen(SignalKind::interrupt());
    async move {
        tokio::select! {
            () = next(&mut terminate) => Reason::Terminate,
            () = next(&mut interrupt) => Reason::Interrupt,
            () = input_ended(), if supervised => Reason::LauncherGone,
        }
    }
}

fn listen(kind: SignalKind) -> Option<Signal> {
    signal(kind)
        .inspect_err(|error| tracing::error!(%error, ?kind, "signal is not heard"))
        .ok()
}

async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Completes when standard input has ended.
///
/// One thread of our own reads it for all who ask. tokio's standard input would read in a thread of
/// the runtime, and a runtime waits for those when it ends: a process that was asked to stop by a
/// signal would hang until its launcher closed the pipe.
async fn input_ended() {
    static ENDED: OnceLock<watch::Receiver<bool>> = OnceLock::new();
    let ended = ENDED.get_or_init(|| {
        let (publish, ended) = watch::channel(false);
        let reader = std::thread::Builder::new().name("standard-input".to_owned());
        let started = reader.spawn(move || {
            read_to_end();
            publish.send_replace(true);
        });
        if let Err(error) = started {
            tracing::error!(%error, "the end of the launcher is not heard");
        }
        ended
    });
    if ended.clone().wait_for(|ended| *ended).await.is_err() {
        // The thread could not be started.
        std::future::pending::<()>().await;
    }
}

/// Reads standard input to its end; what it says is of no interest.
fn read_to_end() {
    let mut input = std::io::stdin().lock();
    let mut ignored = [0_u8; 256];
    loop {
        match input.read(&mut ignored) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
