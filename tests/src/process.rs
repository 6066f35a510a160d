//! A child process whose log lines can be waited for.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::process::{Pid, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;

use crate::deadline::PATIENCE;

pub use rustix::process::Signal;

/// Lines that are shown when a test waits in vain.
const SHOWN_LINES: usize = 25;

/// Where cargo has put a binary: `Binary(env!("CARGO_BIN_EXE_…"))`.
#[derive(Debug, Clone, Copy)]
pub struct Binary(pub &'static str);

/// A running child. Dropping it kills it (that process alone) without mercy.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    lifeline: Option<ChildStdin>,
    log: Log,
}

/// What a process has written so far: its JSON lines as they are, others as JSON strings.
#[derive(Debug, Clone)]
struct Log {
    lines: Arc<Mutex<Vec<Value>>>,
    count: Arc<watch::Sender<usize>>,
}

impl Process {
    /// Starts a binary; its standard input stays open until [`Process::close_stdin`] or the end.
    ///
    /// # Panics
    /// When there is no such binary.
    pub fn start(
        binary: Binary,
        arguments: &[&str],
        environment: &[(&str, String)],
        folder: &Path,
    ) -> Self {
        Self::start_with_sockets(binary, arguments, environment, folder, Vec::new())
    }

    /// The same, with sockets handed over as a service manager does.
    ///
    /// # Panics
    /// When there is no such binary.
    pub fn start_with_sockets(
        binary: Binary,
        arguments: &[&str],
        environment: &[(&str, String)],
        folder: &Path,
        sockets: Vec<OwnedFd>,
    ) -> Self {
        let mut command = std::process::Command::new(binary.0);
        if !sockets.is_empty() {
            command.env("LISTEN_FDS", sockets.len().to_string());
            let mappings = (3..).zip(sockets).map(|(child_fd, parent_fd)| FdMapping {
                parent_fd,
                child_fd,
            });
            command.fd_mappings(mappings.collect()).unwrap();
        }
        let mut child = Command::from(command)
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .env_remove("BANYAN_REGISTRY")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", binary.0));
        let log = Log {
            lines: Arc::default(),
            count: Arc::new(watch::Sender::new(0)),
        };
        tokio::spawn(log.clone().follow(child.stdout.take().unwrap()));
        tokio::spawn(log.clone().follow(child.stderr.take().unwrap()));
        let lifeline = child.stdin.take();
        Self {
            name: arguments.join(" "),
            child,
            lifeline,
            log,
        }
    }

    /// The process id.
    ///
    /// # Panics
    /// When the process has ended.
    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.child
            .id()
            .unwrap_or_else(|| panic!("`{}` has ended", self.name))
    }

    /// Sends a signal to this process alone.
    ///
    /// # Panics
    /// When the process has ended.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap_or_else(|error| panic!("`{}`: {error}", self.name));
    }

    /// Sends a signal to a process that this one has started, as its log tells.
    ///
    /// # Panics
    /// When there is no such process.
    #[track_caller]
    pub fn signal_successor(pid: u32, signal: Signal) {
        let pid = Pid::from_raw(pid.cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Kills it with -9 and waits until it is gone.
    pub async fn kill(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill().await;
    }

    /// Closes its standard input, as the death of a launcher does.
    pub fn close_stdin(&mut self) {
        drop(self.lifeline.take());
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn ended(&mut self, deadline: Duration) -> ExitStatus {
        // `Child::wait` would close standard input first, which is a signal of its own here.
        let ended = async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(deadline, ended).await {
            Ok(status) => status,
            Err(_) => panic!(
                "`{}` did not end in {deadline:?}\n{}",
                self.name,
                self.log.tail()
            ),
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How many lines it has written: a place to wait from.
    pub fn mark(&self) -> usize {
        *self.log.count.borrow()
    }

    /// All lines so far.
    ///
    /// # Panics
    /// When a reader has panicked.
    pub fn lines(&self) -> Vec<Value> {
        self.log.lines.lock().unwrap().clone()
    }

    /// Waits for a line with this message.
    ///
    /// # Panics
    /// After [`PATIENCE`], with the end of the log.
    pub async fn message(&self, message: &str) -> Value {
        self.message_after(0, message).await
    }

    /// Waits for a line with this message, written after `mark`.
    ///
    /// # Panics
    /// After [`PATIENCE`], with the end of the log.
    pub async fn message_after(&self, mark: usize, message: &str) -> Value {
        self.line_after(mark, message, |line| line["message"] == message)
            .await
    }

    /// Waits for a line that is wanted, written after `mark`.
    ///
    /// # Panics
    /// After [`PATIENCE`], naming `what` was waited for, with the end of the log.
    pub async fn line_after(
        &self,
        mark: usize,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let find = || {
            let lines = self.log.lines.lock().unwrap();
            lines.iter().skip(mark).find(|line| wanted(line)).cloned()
        };
        let mut count = self.log.count.subscribe();
        let found = async {
            loop {
                if let Some(line) = find() {
                    return line;
                }
                if count.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(line) => line,
            Err(_) => panic!("`{}` never wrote: {what}\n{}", self.name, self.log.tail()),
        }
    }

    /// The end of the log, to be shown.
    pub fn tail(&self) -> String {
        self.log.tail()
    }
}

impl Log {
    async fn follow(self, output: impl AsyncRead + Unpin) {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
            let mut all = self.lines.lock().unwrap();
            all.push(line);
            self.count.send_replace(all.len());
        }
    }

    fn tail(&self) -> String {
        let lines = self.lines.lock().unwrap();
        let shown = lines.iter().skip(lines.len().saturating_sub(SHOWN_LINES));
        shown.map(|line| format!("  | {line}\n")).collect()
    }
}
