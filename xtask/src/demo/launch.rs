//! The demo from start to end.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::demo::build::{self, Binaries};
use crate::demo::folder::Folder;
use crate::demo::plan::Site;
use crate::demo::ports::Ports;
use crate::demo::processes::{Death, Processes};
use crate::demo::{Options, certificates, open, smoke, table};
use crate::interrupt::Signals;

/// Lines of a log that are shown when a process dies or the smoke journey fails.
const TAIL_LINES: usize = 15;

/// Runs the demo as the command line says.
///
/// # Errors
/// Whatever keeps the demo from starting, in one line; everything started is stopped by then.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    // The only failure is that one is installed already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let root = workspace_root()?;
    if options.only_build {
        build::build(&root, &build::PACKAGES)?;
        return Ok(ExitCode::SUCCESS);
    }

    // Everything that can be refused is refused before anything is built or started.
    let ports = if options.smoke && options.port_base.is_none() {
        Ports::free()?
    } else {
        Ports::new(options.port_base)
    };
    ports.check_free()?;
    let folder = Folder::take(&folder_path(options, &root, &ports), options.keep)?;
    let binaries = build::build(&root, &build::PACKAGES)?;
    certificates::write(folder.path())?;
    let site = site(options, &root, &folder, ports)?;
    check_table(&site, &binaries)?;

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(supervise(&site, &folder, &binaries, options.smoke));
    if options.smoke && matches!(outcome, Ok(ExitCode::SUCCESS)) {
        let path = folder.path().to_owned();
        drop(folder);
        std::fs::remove_dir_all(&path)
            .with_context(|| format!("cannot remove {}", path.display()))?;
    }
    outcome
}

/// The folder of the workspace.
pub(crate) fn workspace_root() -> anyhow::Result<PathBuf> {
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let root = own.parent().context("xtask lies in no workspace")?;
    Ok(root.to_owned())
}

fn folder_path(options: &Options, root: &Path, ports: &Ports) -> PathBuf {
    match &options.dir {
        Some(dir) => dir.clone(),
        None if options.smoke => root.join(format!("target/demo-smoke-{}", ports.edge)),
        None => root.join("target/demo"),
    }
}

/// The demo follows the table where people edit it; a smoke run must not see their edits half-way.
fn site(options: &Options, root: &Path, folder: &Folder, ports: Ports) -> anyhow::Result<Site> {
    let table = root.join("routes.yaml");
    let routes = if options.smoke {
        let copy = folder.path().join("routes.yaml");
        std::fs::copy(&table, &copy).context("cannot copy routes.yaml")?;
        copy
    } else {
        table
    };
    Ok(Site {
        ports,
        folder: folder.path().to_owned(),
        routes,
    })
}

/// A table with mistakes is told at once, not by a gateway that does not start after all the others.
fn check_table(site: &Site, binaries: &Binaries) -> anyhow::Result<()> {
    let output = std::process::Command::new(binaries.path("gateway")?)
        .arg("check")
        .arg(&site.routes)
        .envs(site.table_variables())
        .output()
        .context("cannot run `gateway check`")?;
    if !output.status.success() {
        let told = [output.stdout, output.stderr].concat();
        bail!(
            "the route table has mistakes\n{}",
            String::from_utf8_lossy(&told).trim_end()
        );
    }
    Ok(())
}

/// Starts everything, does what was asked, and stops everything whatever came of it.
async fn supervise(
    site: &Site,
    folder: &Folder,
    binaries: &Binaries,
    smoke: bool,
) -> anyhow::Result<ExitCode> {
    let mut processes = Processes::new()?;
    let mut signals = Signals::new()?;
    println!(
        "starting (logs in {})",
        folder.path().join("logs").display()
    );
    let outcome = tokio::select! {
        outcome = work(site, folder, binaries, &mut processes, smoke) => outcome,
        name = signals.next() => Ok(Ended::Asked(name)),
    };
    if let Ok(Ended::Asked(name)) = &outcome {
        println!("{name}: stopping");
    }
    let hurry = async || {
        signals.next().await;
    };
    processes.stop(hurry).await;
    match outcome? {
        Ended::Asked(_) if smoke => bail!("interrupted before the smoke journey's end"),
        Ended::Asked(_) => println!("everything is stopped"),
        Ended::SmokePassed => println!("smoke journey passed"),
        Ended::SmokeFailed(report) => {
            println!("{report}");
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Why the demo ends.
enum Ended {
    Asked(&'static str),
    SmokePassed,
    SmokeFailed(String),
}

async fn work(
    site: &Site,
    folder: &Folder,
    binaries: &Binaries,
    processes: &mut Processes,
    smoke: bool,
) -> anyhow::Result<Ended> {
    processes.start(&site.plan(), binaries, folder).await?;
    let token = token(site, binaries).await?;
    open::wait(site, folder, &token).await?;
    if smoke {
        return Ok(match smoke::walk(site, folder, &token).await {
            Ok(()) => Ended::SmokePassed,
            Err(error) => Ended::SmokeFailed(format!(
                "FAILED {error:#}\nthe end of the gateway's log:\n{}",
                folder.log_tail("gateway", TAIL_LINES)
            )),
        });
    }
    table::print(site, &token, binaries.path("shop")?);
    println!("demo ready");
    while let Some(death) = processes.death().await {
        report(&death, folder);
    }
    bail!("nobody watches the processes any more")
}

/// The demo goes on without it: to see what then happens is what a demo is for.
fn report(death: &Death, folder: &Folder) {
    println!(
        "{} has died ({}); the demo goes on without it. The end of its log:\n{}\nTo start it again: {}",
        death.name,
        death.status,
        folder.log_tail(death.name, TAIL_LINES),
        death.command
    );
}

/// A token of the first customer, by the command that the printed table names.
async fn token(site: &Site, binaries: &Binaries) -> anyhow::Result<String> {
    let output = tokio::process::Command::new(binaries.path("shop")?)
        .args(["token", "--user", "1", "--identity", &site.identity()])
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot run `shop token`")?;
    if !output.status.success() {
        bail!(
            "`shop token` failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
