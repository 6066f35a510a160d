//! A suite from start to verdict.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::demo::folder::Folder;
use crate::demo::{build, certificates, workspace_root};
use crate::interrupt::interruptible;
use crate::suite::options::{Options, Suite};
use crate::suite::scene::Stage;
use crate::suite::{cache, hygiene, slow, tls, websocket};
use crate::tools::Missing;

/// What a suite came to.
#[derive(Debug)]
pub(super) enum Verdict {
    Passed {
        /// How many cases.
        cases: usize,
    },
    /// The cases that failed, a line each.
    Failed(Vec<String>),
}

impl Verdict {
    pub(super) fn of(cases: usize, failed: Vec<String>) -> Self {
        if failed.is_empty() {
            Self::Passed { cases }
        } else {
            Self::Failed(failed)
        }
    }
}

/// Runs one suite and prints its verdict.
///
/// # Errors
/// Whatever keeps the suite from running to its end, but for a tool that is missing.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let name = options.suite.name();
    let root = workspace_root()?;
    let folder = Folder::take(&root.join("target/suite").join(name), false)?;
    let report = folder.path().join("report");
    std::fs::create_dir_all(&report).context("cannot create the report's folder")?;

    match interruptible(play(options, &root, folder)) {
        Ok(Verdict::Passed { cases }) => {
            println!(
                "suite {name}: passed (cases: {cases}); {}",
                report.display()
            );
            Ok(ExitCode::SUCCESS)
        }
        Ok(Verdict::Failed(failed)) => {
            for line in &failed {
                println!("  FAILED {line}");
            }
            let count = failed.len();
            println!("suite {name}: {count} failed; {}", report.display());
            Ok(ExitCode::FAILURE)
        }
        Err(error) => skipped(name, error),
    }
}

/// A missing tool is no failure, unless it was said to be.
fn skipped(name: &str, error: anyhow::Error) -> anyhow::Result<ExitCode> {
    let required = std::env::var_os("BANYAN_REQUIRE_ENGINES").is_some_and(|value| value == "1");
    match error.downcast_ref::<Missing>() {
        Some(missing) if !required => {
            println!("SKIPPED suite {name}: {missing}");
            Ok(ExitCode::SUCCESS)
        }
        _ => Err(error),
    }
}

async fn play(options: &Options, root: &Path, folder: Folder) -> anyhow::Result<Verdict> {
    // What is missing is said before anything is built.
    let tools = root.join("target/suite/venv");
    match options.suite {
        Suite::Slow => {
            let tool = slow::tool().await?;
            slow::play(&tool, stage(root, folder)?).await
        }
        Suite::Tls => {
            let tool = tls::tool(&tools).await?;
            tls::play(&tool, stage(root, folder)?).await
        }
        Suite::Hygiene => {
            let tool = hygiene::tool().await?;
            hygiene::play(&tool, root, stage(root, folder)?).await
        }
        Suite::Cache => {
            let tool = cache::tool(&root.join("target/suite/npm")).await?;
            cache::play(&tool, stage(root, folder)?).await
        }
        Suite::Websocket => {
            let tools = websocket::tools(&tools).await?;
            let chosen = websocket::Chosen {
                short: options.short,
                patterns: &options.cases,
            };
            websocket::play(&tools, stage(root, folder)?, chosen).await
        }
    }
}

/// What every suite's gateway needs: the binary, and a certificate of the demo's authority.
fn stage(root: &Path, folder: Folder) -> anyhow::Result<Stage> {
    let binaries = build::build(root, &["gateway"])?;
    certificates::write(folder.path())?;
    Ok(Stage { folder, binaries })
}
