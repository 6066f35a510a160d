//! Being asked to stop, with servers of ours running.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Runs something that starts servers. Whoever interrupts leaves none behind: what is dropped is killed.
///
/// # Errors
/// Those of `work`, and the interruption.
pub(crate) fn interruptible<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    // The only failure is that one is installed already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        tokio::select! {
            outcome = work => outcome,
            signal = signals.next() => anyhow::bail!("stopped: {signal}"),
        }
    })
}

/// The ways in which a person or a supervisor asks us to stop.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Hears them from now on.
    ///
    /// # Errors
    /// When the system lets us hear no signals.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one, and says which.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "Ctrl-C",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hangup.recv() => "the terminal has closed",
        }
    }
}
