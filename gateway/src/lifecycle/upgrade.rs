//! Replaces the running binary without losing a connection.
//!
//! On SIGUSR2 the process starts the binary that is now where its own was, with the same arguments, and
//! passes it every listening socket. Both hold them from then on, with whatever waits in their queues.
//! When the successor says that it serves, this process closes its copies and drains; a successor that
//! fails, or says nothing for too long, is ended, and this process serves on.

use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram as StdUnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command as StdCommand, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};
use tokio::signal::unix::Signal;

use crate::defaults::UPGRADE_TIMEOUT;
use crate::lifecycle::inherited::{HANDED_OVER, Word, write_labels};
use crate::lifecycle::{Label, Listeners};

/// The first descriptor behind the standard ones.
const FIRST_DESCRIPTOR: i32 = 3;

/// Bytes of a successor's word; an error with its snippets fits.
const WORD_BYTES_MAX: usize = 16 * 1024;

/// How long a successor that has said why it failed may take to end.
const LAST_WORD: Duration = Duration::from_secs(5);

/// How this process was called, and what it can hand over.
#[derive(Debug)]
pub(crate) struct Upgrades {
    program: PathBuf,
    arguments: Vec<OsString>,
    listeners: Arc<Listeners>,
    admin: Vec<(Label, TcpListener)>,
}

/// Why there is no successor.
#[derive(Debug, thiserror::Error)]
enum UpgradeError {
    #[error("its sockets cannot be handed over: {0}")]
    Sockets(io::Error),
    #[error("{} cannot be started: {source}", program.display())]
    Start { program: PathBuf, source: io::Error },
    #[error("it failed: {0}")]
    Failed(String),
    #[error("it ended before it served: {0}")]
    Ended(ExitStatus),
    #[error("it did not serve within {UPGRADE_TIMEOUT:?}")]
    Late,
    #[error("it cannot be heard: {0}")]
    Unheard(io::Error),
}

impl Upgrades {
    /// Notes how the process was called; call it before the working directory or the binary can have
    /// changed.
    pub(crate) fn new(listeners: Arc<Listeners>, admin: Vec<(Label, TcpListener)>) -> Self {
        let mut arguments = std::env::args_os();
        let called = arguments.next().map(PathBuf::from);
        Self {
            program: program(called),
            arguments: arguments.collect(),
            listeners,
            admin,
        }
    }

    /// Starts a successor whenever it is asked to, until one serves; returns its process id.
    pub(crate) async fn follow(&self, mut asked: Signal) -> u32 {
        while asked.recv().await.is_some() {
            tracing::info!(program = %self.program.display(), "upgrading");
            match self.hand_over().await {
                Ok(pid) => {
                    tracing::info!(pid, "the successor serves");
                    return pid;
                }
                Err(error) => {
                    tracing::error!(%error, "upgrade failed; this process serves on");
                }
            }
        }
        std::future::pending().await
    }

    async fn hand_over(&self) -> Result<u32, UpgradeError> {
        let (ours, theirs) = StdUnixDatagram::pair().map_err(UpgradeError::Sockets)?;
        ours.set_nonblocking(true).map_err(UpgradeError::Sockets)?;
        let ours = UnixDatagram::from_std(ours).map_err(UpgradeError::Sockets)?;
        let mut successor = self.start(theirs)?;
        let pid = successor.pid();
        match tokio::time::timeout(UPGRADE_TIMEOUT, successor.serves(&ours)).await {
            Ok(Ok(())) => {
                successor.let_live();
                Ok(pid)
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(UpgradeError::Late),
        }
    }

    fn start(&self, theirs: StdUnixDatagram) -> Result<Successor, UpgradeError> {
        let mut handed_over = self.listeners.duplicates().map_err(UpgradeError::Sockets)?;
        for (label, socket) in &self.admin {
            let socket = socket.try_clone().map_err(UpgradeError::Sockets)?;
            handed_over.push((label.clone(), socket.into()));
        }
        let (labels, mut descriptors): (Vec<Label>, Vec<OwnedFd>) = handed_over.into_iter().unzip();
        descriptors.push(theirs.into());
        let start = || {
            let mut command = StdCommand::new(&self.program);
            command
                .args(&self.arguments)
                .env(HANDED_OVER, write_labels(&labels))
                .env("LISTEN_FDS", descriptors.len().to_string())
                // Known only once it runs: absent, they are taken to be for it.
                .env_remove("LISTEN_PID")
                .env_remove("LISTEN_FDNAMES");
            let mappings = (FIRST_DESCRIPTOR..)
                .zip(descriptors)
                .map(|(child_fd, parent_fd)| FdMapping {
                    parent_fd,
                    child_fd,
                });
            command
                .fd_mappings(mappings.collect())
                .map_err(io::Error::other)?;
            Command::from(command).spawn()
        };
        match start() {
            Ok(child) => Ok(Successor(Some(child))),
            Err(source) => Err(UpgradeError::Start {
                program: self.program.clone(),
                source,
            }),
        }
    }
}

/// The program that is now where ours was: by the path it was called by, so that a link that points to a
/// new version is followed; by the running file's when it was called by a bare name.
fn program(called: Option<PathBuf>) -> PathBuf {
    let by_path = called.filter(|called| called.components().count() > 1 || called.is_absolute());
    let absolute = by_path.and_then(|called| std::path::absolute(called).ok());
    absolute
        .or_else(|| std::env::current_exe().ok())
        .unwrap_or_else(|| Path::new("gateway").to_owned())
}

/// A process that is to take our place. Dropped before it serves, it is ended.
#[derive(Debug)]
struct Successor(Option<Child>);

impl Successor {
    fn pid(&self) -> u32 {
        self.0.as_ref().and_then(Child::id).unwrap_or_default()
    }

    /// Waits until it says that it serves.
    async fn serves(&mut self, heard: &UnixDatagram) -> Result<(), UpgradeError> {
        let Some(child) = &mut self.0 else {
            return Ok(());
        };
        let mut bytes = vec![0; WORD_BYTES_MAX];
        loop {
            tokio::select! {
                biased;
                word = heard.recv(&mut bytes) => {
                    let count = word.map_err(UpgradeError::Unheard)?;
                    match Word::parse(bytes.get(..count).unwrap_or_default()) {
                        Some(Word::Ready) => return Ok(()),
                        Some(Word::Failed(reason)) => {
                            // It ends by itself; if not, it is ended when it is dropped.
                            let _ = tokio::time::timeout(LAST_WORD, child.wait()).await;
                            return Err(UpgradeError::Failed(reason));
                        }
                        None => {}
                    }
                }
                ended = child.wait() => {
                    return Err(match ended {
                        Ok(status) => UpgradeError::Ended(status),
                        Err(error) => UpgradeError::Unheard(error),
                    });
                }
            }
        }
    }

    /// It is on its own from now on, and outlives us.
    fn let_live(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // An error means that it has ended already.
            let _ = child.start_kill();
        }
    }
}
