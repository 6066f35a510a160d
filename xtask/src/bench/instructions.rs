//! Where the instructions of a request go, by callgrind: the same from run to run, for before and after.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tokio::process::Command;

use crate::bench::lab::Lab;
use crate::bench::report::Section;
use crate::bench::server::Server;
use crate::demo::{build, ports};
use crate::tools;

/// Requests of the shorter run; the longer one has [`MORE`] more. What both have in common (the start) cancels out.
const FEW: u32 = 500;
const MORE: u32 = 2000;

/// Functions that are shown.
const SHOWN: usize = 40;

/// Valgrind is slow to end.
const END_TIMEOUT: Duration = Duration::from_secs(120);

pub(super) async fn measure(root: &Path, lab: &Lab) -> anyhow::Result<Section> {
    let valgrind = tools::debian("valgrind", "valgrind").await?;
    let gateway = match &lab.options.gateway {
        Some(_) => lab.programs.gateway.clone(),
        None => build::build_as(root, &["gateway"], "profiling")?
            .path("gateway")?
            .to_owned(),
    };
    let few = run(lab, &valgrind, &gateway, FEW).await?;
    let more = run(lab, &valgrind, &gateway, FEW + MORE).await?;
    let mut functions: Vec<(String, f64)> = more
        .into_iter()
        .map(|(name, count)| {
            let start = few.get(&name).copied().unwrap_or(0);
            let own = count.saturating_sub(start) as f64 / f64::from(MORE);
            (name, own)
        })
        .collect();
    functions.sort_by(|one, other| other.1.total_cmp(&one.1));
    let total: f64 = functions.iter().map(|(_, count)| count).sum();
    let rows = functions
        .iter()
        .take(SHOWN)
        .map(|(name, count)| {
            let share = count / total * 100.0;
            vec![
                format!("`{name}`"),
                format!("{count:.0}"),
                format!("{share:.1} %"),
            ]
        })
        .collect();
    Ok(Section::new(
        "instructions",
        "Instructions a request",
        format!(
            "{total:.0} instructions a request in user space, bare proxying, one worker, one connection."
        ),
        &["function", "instructions", "share"],
        rows,
        Vec::new(),
    ))
}

/// Instructions of each function's own in a whole run with so many requests.
async fn run(
    lab: &Lab,
    valgrind: &Path,
    gateway: &Path,
    requests: u32,
) -> anyhow::Result<BTreeMap<String, u64>> {
    let [port] = ports::free()?;
    let table = lab.table("instructions", &lab.one_route(port, ""))?;
    let out = lab.path().join(format!("callgrind.{requests}.out"));
    let mut command = Command::new(valgrind);
    command
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(gateway)
        .args(["run", "--workers=1", "--drain-delay=0s", "--config"])
        .arg(&table)
        .arg("--access-log")
        .arg(lab.path().join("instructions.access.log"));
    let mut server = Server::start(command, port, &lab.folder.log("valgrind")).await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    for _ in 0..requests {
        let answer = client
            .get(format!("http://127.0.0.1:{port}/"))
            .send()
            .await?;
        anyhow::ensure!(answer.status().is_success(), "answered {}", answer.status());
        answer.bytes().await?;
    }
    server.signal(Signal::TERM)?;
    server.ended(END_TIMEOUT).await?;
    annotated(&out).await
}

/// Instructions by function. One that was inlined into several places is in several lines.
async fn annotated(out: &Path) -> anyhow::Result<BTreeMap<String, u64>> {
    let mut command = Command::new("callgrind_annotate");
    let said = tools::output(
        command
            .args(["--threshold=100", "--show-percs=no", "--auto=no"])
            .arg(out),
    )
    .await?;
    let mut functions = BTreeMap::new();
    for (name, count) in said.lines().filter_map(function) {
        *functions.entry(name).or_default() += count;
    }
    anyhow::ensure!(!functions.is_empty(), "callgrind_annotate said nothing");
    Ok(functions)
}

/// Reads `12,345  file.rs:function [object]`.
fn function(line: &str) -> Option<(String, u64)> {
    let (count, rest) = line.trim().split_once("  ")?;
    let count = count.replace(',', "").parse().ok()?;
    let (_, name) = rest.trim().split_once(':')?;
    let name = name.rsplit_once(" [").map_or(name, |(name, _)| name);
    Some((name.to_owned(), count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_read_with_its_count() {
        let line = " 1,234,567  ./malloc/malloc.c:_int_malloc [/usr/lib/libc.so.6]";
        assert_eq!(function(line), Some(("_int_malloc".to_owned(), 1_234_567)));
        assert_eq!(function("Profile data file 'x' (creator: callgrind)"), None);
    }
}
