//! Starts children, waits until they are ready, notices when one dies, stops them in order.

use std::fs::{self, File};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, oneshot, watch};

use crate::demo::build::Binaries;
use crate::demo::folder::Folder;
use crate::demo::plan::{Spec, Tier};

/// How long a process may take until it is ready.
const READY_DEADLINE: Duration = Duration::from_secs(30);

/// How often a starting process is asked.
const READY_POLL: Duration = Duration::from_millis(50);

/// How long a process may take to stop before it is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(15);

/// Lines of a log that are shown when its process fails.
const TAIL_LINES: usize = 15;

/// A process died that nobody had asked to stop.
#[derive(Debug)]
pub(crate) struct Death {
    pub(crate) name: &'static str,
    pub(crate) status: ExitStatus,
    /// Starts it again.
    pub(crate) command: String,
}

/// Everything that was started.
#[derive(Debug)]
pub(crate) struct Processes {
    running: Vec<Process>,
    client: reqwest::Client,
    deaths: (mpsc::Sender<Death>, mpsc::Receiver<Death>),
}

/// A child, and the pipe whose end tells it to stop.
#[derive(Debug)]
struct Process {
    name: &'static str,
    tier: Tier,
    lifeline: Option<ChildStdin>,
    kill: Option<oneshot::Sender<()>>,
    exit: watch::Receiver<Option<ExitStatus>>,
}

impl Processes {
    /// # Errors
    /// When no HTTP client can be built.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(2))
            .build()?;
        // More than there are processes: a report never waits.
        Ok(Self {
            running: Vec::new(),
            client,
            deaths: mpsc::channel(64),
        })
    }

    /// Starts everything in `plan`, each as soon as the one it waits for is ready.
    ///
    /// # Errors
    /// The first process that does not start or does not get ready, with the end of its log.
    pub(crate) async fn start(
        &mut self,
        plan: &[Spec],
        binaries: &Binaries,
        folder: &Folder,
    ) -> anyhow::Result<()> {
        let mut waiting: Vec<&Spec> = plan.iter().collect();
        let mut ready: Vec<&'static str> = Vec::new();
        while !waiting.is_empty() {
            let may_start = |spec: &&Spec| spec.after.is_none_or(|after| ready.contains(&after));
            let (wave, later): (Vec<_>, Vec<_>) = waiting.into_iter().partition(may_start);
            if wave.is_empty() {
                bail!("the plan has a process that waits for one that never starts");
            }
            for spec in &wave {
                let process = Process::spawn(spec, binaries, folder, self.deaths.0.clone())?;
                self.running.push(process);
            }
            for spec in &wave {
                self.wait_ready(spec, folder).await?;
                ready.push(spec.name);
            }
            waiting = later;
        }
        Ok(())
    }

    async fn wait_ready(&self, spec: &Spec, folder: &Folder) -> anyhow::Result<()> {
        let started = Instant::now();
        let process = self
            .running
            .iter()
            .find(|process| process.name == spec.name)
            .context("a process is waited for before it is started")?;
        let fail = |what: String| {
            anyhow!(
                "{} {what}; the end of its log:\n{}",
                spec.name,
                folder.log_tail(spec.name, TAIL_LINES)
            )
        };
        let mut last_answer = "nothing".to_owned();
        loop {
            if let Some(status) = *process.exit.borrow() {
                return Err(fail(format!("ended at its start ({status})")));
            }
            match self.client.get(&spec.ready_url).send().await {
                Ok(answer) if answer.status().is_success() => break,
                Ok(answer) => last_answer = answer.status().to_string(),
                Err(_) => {}
            }
            if started.elapsed() > READY_DEADLINE {
                let seconds = READY_DEADLINE.as_secs();
                return Err(fail(format!(
                    "is not ready after {seconds} s ({} answered {last_answer})",
                    spec.ready_url
                )));
            }
            tokio::time::sleep(READY_POLL).await;
        }
        println!("  {:<16} ready", spec.name);
        Ok(())
    }

    /// Waits for the next process that dies by itself.
    pub(crate) async fn death(&mut self) -> Option<Death> {
        self.deaths.1.recv().await
    }

    /// Stops everything, callers before those they call.
    pub(crate) async fn stop(&mut self, mut hurry: impl AsyncFnMut()) {
        for tier in Tier::STOP_ORDER {
            let of_tier = || {
                self.running
                    .iter()
                    .enumerate()
                    .filter(move |(_, p)| p.tier == tier)
            };
            let indexes: Vec<usize> = of_tier().map(|(index, _)| index).collect();
            for process in self
                .running
                .iter_mut()
                .filter(|process| process.tier == tier)
            {
                // The end of the pipe is the request to stop.
                drop(process.lifeline.take());
            }
            let all_gone = async {
                for process in indexes.iter().filter_map(|index| self.running.get(*index)) {
                    process.gone().await;
                }
            };
            let in_time = tokio::select! {
                outcome = tokio::time::timeout(STOP_DEADLINE, all_gone) => outcome.is_ok(),
                () = hurry() => false,
            };
            if !in_time {
                self.kill(tier).await;
            }
        }
        self.running.clear();
    }

    async fn kill(&mut self, tier: Tier) {
        for process in self
            .running
            .iter_mut()
            .filter(|process| process.tier == tier)
        {
            if process.exit.borrow().is_none() {
                println!("  {} does not stop: killed", process.name);
                process.kill.take().map(|kill| kill.send(()));
            }
            process.gone().await;
        }
    }
}

impl Process {
    fn spawn(
        spec: &Spec,
        binaries: &Binaries,
        folder: &Folder,
        deaths: mpsc::Sender<Death>,
    ) -> anyhow::Result<Self> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.log(spec.name))?;
        let mut child = Command::new(binaries.path(spec.binary)?)
            .args(&spec.arguments)
            .envs(spec.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            // The terminal's Ctrl-C is for the launcher alone, which then stops all in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", spec.name))?;
        if let Some(pid) = child.id() {
            fs::write(folder.pid_file(spec.name), format!("{pid}\n"))?;
        }
        let lifeline = child.stdin.take();
        let (kill, killed) = oneshot::channel();
        let (exited, exit) = watch::channel(None);
        let name = spec.name;
        let command = command_line(spec, binaries)?;
        let pid_file = folder.pid_file(name);
        tokio::spawn(async move {
            let status = outlive(&mut child, killed).await;
            // A file that is gone already says the same.
            let _ = fs::remove_file(pid_file);
            exited.send_replace(status);
            if let Some(status) = status {
                // Nobody listens any more once everything is being stopped.
                let _ = deaths
                    .send(Death {
                        name,
                        status,
                        command,
                    })
                    .await;
            }
        });
        Ok(Self {
            name,
            tier: spec.tier,
            lifeline,
            kill: Some(kill),
            exit,
        })
    }

    async fn gone(&self) {
        // An error means that its watcher is gone, and with it the child.
        let _ = self.exit.clone().wait_for(Option::is_some).await;
    }
}

/// What starts the process from a terminal, as it is.
fn command_line(spec: &Spec, binaries: &Binaries) -> anyhow::Result<String> {
    let program = binaries.path(spec.binary)?.display().to_string();
    let arguments = spec
        .arguments
        .iter()
        .filter(|argument| *argument != "--supervised");
    let variables = spec.environment.iter();
    let words: Vec<String> = variables
        .map(|(name, value)| format!("{name}={value}"))
        .chain([program])
        .chain(arguments.cloned())
        .collect();
    Ok(words.join(" "))
}

/// Waits for the child's end, or brings it about.
async fn outlive(child: &mut Child, killed: oneshot::Receiver<()>) -> Option<ExitStatus> {
    tokio::select! {
        status = child.wait() => status.ok(),
        Ok(()) = killed => {
            // Already gone: the wait below says how.
            let _ = child.start_kill();
            child.wait().await.ok()
        }
    }
}
