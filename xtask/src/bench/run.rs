//! A bench from start to table.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use tokio::process::Command;

use crate::bench::lab::Lab;
use crate::bench::options::{Bench, Options};
use crate::bench::report::Section;
use crate::bench::{bare, edge, h2, idle, instructions, mirror, reload, routes, start, tls};
use crate::demo::workspace_root;
use crate::interrupt::interruptible;
use crate::tools;

/// Runs one bench, or all of them.
///
/// # Errors
/// Whatever keeps a bench from running to its end.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let root = workspace_root()?;
    interruptible(play(&root, options))
}

async fn play(root: &Path, options: &Options) -> anyhow::Result<ExitCode> {
    let benches = match options.bench {
        Bench::All => Bench::ALL.to_vec(),
        one => vec![one],
    };
    let machine = machine(options).await;
    for bench in benches {
        // Each has its own processes and files.
        let lab = Lab::open(root, options).await?;
        let section = measure(bench, root, &lab).await?;
        println!("\n{}\n{machine}", section.text());
        if options.write {
            section.write(&root.join("docs/performance.md"), &machine)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure(bench: Bench, root: &Path, lab: &Lab) -> anyhow::Result<Section> {
    match bench {
        Bench::Bare => bare::measure(lab).await,
        Bench::Edge => edge::measure(lab).await,
        Bench::Routes => routes::measure(lab).await,
        Bench::Reload => reload::measure(lab).await,
        Bench::Mirror => mirror::measure(lab).await,
        Bench::Idle => idle::measure(lab).await,
        Bench::Tls => tls::measure(lab).await,
        Bench::H2 => h2::measure(lab).await,
        Bench::Start => start::measure(lab).await,
        Bench::Instructions => instructions::measure(root, lab).await,
        Bench::All => anyhow::bail!("not a bench of its own"),
    }
}

/// Where and when, for whoever reads the table.
async fn machine(options: &Options) -> String {
    let said = async |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        tools::output(command.args(arguments)).await.ok()
    };
    let date = said("date", &["-u", "+%Y-%m-%d"]).await.unwrap_or_default();
    let kernel = said("uname", &["-sr"]).await.unwrap_or_default();
    let haproxy = said("haproxy", &["-v"]).await.unwrap_or_default();
    let haproxy = haproxy.split(' ').nth(2).unwrap_or("?");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{}, {}, {cores} cores, {}; HAProxy {haproxy}; {} rounds of {} s",
        date.trim(),
        processor().unwrap_or_else(|| "unknown processor".to_owned()),
        kernel.trim(),
        options.rounds,
        options.seconds,
    )
}

fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo")
        .context("no /proc/cpuinfo")
        .ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(": ")?.1.to_owned())
}
