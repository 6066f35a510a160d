//! What systemd is told (`sd_notify(3)`): nothing where it is not there.

use std::io;

use sd_notify::NotifyState;

/// We serve.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready, NotifyState::MainPid(std::process::id())]);
}

/// The table is read because somebody asked; [`ready`] follows.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => report(&error),
    }
}

/// We are on our way out.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Another process is the service from now on. Said by the one that was it until now: systemd believes
/// nobody else where `NotifyAccess=main`.
pub(crate) fn succeeded_by(pid: u32) {
    tell(&[NotifyState::MainPid(pid)]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        report(&error);
    }
}

fn report(error: &io::Error) {
    tracing::warn!(%error, "the service manager cannot be told");
}
