//! A process that serves while it is measured.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::bench::usage::{self, Memory};

/// How long a server may take to listen. A hundred thousand routes are read within it.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// Between two looks whether it listens.
const READY_POLL: Duration = Duration::from_millis(5);

/// A process group with a port. Dropped, all of it is killed.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) port: u16,
    pid: u32,
    child: Child,
}

impl Server {
    /// Starts `command` and waits until `port` of 127.0.0.1 takes connections. What it says goes to
    /// `log`.
    ///
    /// # Errors
    /// When it can't be started, ends, or does not listen in time; with the end of its log.
    pub(super) async fn start(mut command: Command, port: u16, log: &Path) -> anyhow::Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let program = command.as_std().get_program().to_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            // Its own group, so that workers of a killed master are found.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let pid = child.id().context("ended at once")?;
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .is_err()
        {
            let ended = child.try_wait()?;
            if ended.is_some() || started.elapsed() > READY_TIMEOUT {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                let last = said.lines().last().unwrap_or_default();
                bail!("{} does not listen: {last}", program.display());
            }
            tokio::time::sleep(READY_POLL).await;
        }
        Ok(Self { port, pid, child })
    }

    /// CPU time used so far.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn cpu(&self) -> anyhow::Result<Duration> {
        usage::cpu(self.pid)
    }

    /// Memory used now.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn memory(&self) -> anyhow::Result<Memory> {
        usage::memory(self.pid)
    }

    /// Sends its processes a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let group = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        kill_process_group(group.context("no process")?, signal)?;
        Ok(())
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it takes longer than `limit`.
    pub(super) async fn ended(&mut self, limit: Duration) -> anyhow::Result<()> {
        tokio::time::timeout(limit, self.child.wait())
            .await
            .context("it does not end")??;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Whoever has ended needs no signal.
        let _ = self.signal(Signal::KILL);
    }
}
