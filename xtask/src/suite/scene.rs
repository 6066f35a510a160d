//! A gateway with a route table of the suite's own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::Command;

use crate::demo::build::Binaries;
use crate::demo::folder::Folder;
use crate::demo::plan::{Spec, Tier};
use crate::demo::processes::Processes;

/// Where a suite's gateway will run.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) folder: Folder,
    pub(super) binaries: Binaries,
}

/// A running gateway. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Scene {
    folder: Folder,
    admin: u16,
    client: reqwest::Client,
    /// Held: its pipe keeps the gateway running.
    processes: Processes,
}

impl Stage {
    /// Starts the gateway with a table that lacks but `version` and `admin`, and waits until it serves.
    ///
    /// # Errors
    /// When it does not get ready, with the end of its log.
    pub(super) async fn start(self, admin: u16, table: &str) -> anyhow::Result<Scene> {
        let path = self.folder.path().join("routes.yaml");
        let table = format!("version: 1\nadmin: {{ bind: \"127.0.0.1:{admin}\" }}\n{table}");
        std::fs::write(&path, table).context("cannot write the route table")?;
        let mut processes = Processes::new()?;
        let plan = [gateway(&path, admin)];
        processes.start(&plan, &self.binaries, &self.folder).await?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .build()?;
        Ok(Scene {
            folder: self.folder,
            admin,
            client,
            processes,
        })
    }

    /// A file among what the suite leaves to be read.
    pub(super) fn report(&self, name: &str) -> PathBuf {
        self.folder.path().join("report").join(name)
    }
}

impl Scene {
    /// A file among what the suite leaves to be read.
    pub(super) fn report(&self, name: &str) -> PathBuf {
        self.folder.path().join("report").join(name)
    }

    /// The certificate of the authority that vouches for the edge.
    pub(super) fn ca(&self) -> PathBuf {
        self.folder.ca()
    }

    /// Open client connections of a listener.
    ///
    /// # Errors
    /// When the admin listener does not answer.
    pub(super) async fn connections(&self, listener: &str) -> anyhow::Result<f64> {
        let series = format!("gateway_connections{{listener=\"{listener}\"}}");
        self.metric(&series).await
    }

    /// A series of the gateway's metrics; zero while it has none.
    ///
    /// # Errors
    /// When the admin listener does not answer.
    pub(super) async fn metric(&self, series: &str) -> anyhow::Result<f64> {
        let url = format!("http://127.0.0.1:{}/metrics", self.admin);
        let text = self.client.get(url).send().await?.text().await?;
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(series));
        let value = lines.find_map(|line| line.strip_prefix(' '));
        Ok(value.and_then(|value| value.parse().ok()).unwrap_or(0.0))
    }

    /// Stops the gateway.
    pub(super) async fn end(mut self) {
        self.processes.stop(std::future::pending::<()>).await;
    }
}

fn gateway(table: &Path, admin: u16) -> Spec {
    let table = table.display().to_string();
    let arguments = [
        "run",
        "--config",
        &table,
        "--drain-delay",
        "0s",
        "--supervised",
    ];
    Spec {
        name: "gateway",
        binary: "gateway",
        arguments: arguments.map(str::to_owned).to_vec(),
        environment: Vec::new(),
        ready_url: format!("http://127.0.0.1:{admin}/readyz"),
        after: None,
        tier: Tier::Edge,
    }
}

/// Runs a tool for at most `limit` and keeps what it says in a file. Whether it succeeded.
///
/// # Errors
/// When it can't be run, or takes longer.
pub(super) async fn keep_output(
    command: &mut Command,
    limit: Duration,
    file: &Path,
) -> anyhow::Result<(bool, String)> {
    let log =
        std::fs::File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    let mut child = command
        .stdin(std::process::Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {:?}", command.as_std().get_program()))?;
    let status = tokio::time::timeout(limit, child.wait())
        .await
        .with_context(|| {
            format!(
                "{:?} took longer than {limit:?}",
                command.as_std().get_program()
            )
        })??;
    let said = std::fs::read(file)?;
    Ok((
        status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}
