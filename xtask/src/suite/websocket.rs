//! The Autobahn cases (`kosoku`): through the gateway each must end as it does without it.
//!
//! No backend passes every case; what it does by itself is the measure. The tool speaks HTTP/1.1 alone, so
//! the gateway also stands before itself with HTTP/2 between: its extended `CONNECT`, asked and answered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::demo::ports;
use crate::suite::run::Verdict;
use crate::suite::scene::{Stage, keep_output};
use crate::tools;

/// The tool, and what its echo is made of.
const PACKAGES: [&str; 2] = ["kosoku==0.1.0", "aiohttp==3.14.5"];

/// The echo, as a program.
const ECHO: &str = include_str!("echo.py");

/// Compression, which is the ends' affair: 216 cases of a thousand messages each.
const LONG: [&str; 2] = ["12.*", "13.*"];

/// For one run of all cases.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// How long the echo may take to start.
const ECHO_DEADLINE: Duration = Duration::from_secs(20);

/// The programs of a Python environment.
#[derive(Debug)]
pub(super) struct Tools {
    kosoku: PathBuf,
    python: PathBuf,
}

/// # Errors
/// When a tool is missing.
pub(super) async fn tools(environment: &Path) -> anyhow::Result<Tools> {
    let programs = tools::python(environment, &PACKAGES).await?;
    Ok(Tools {
        kosoku: programs.join("kosoku"),
        python: programs.join("python"),
    })
}

/// Which of the cases are run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chosen<'c> {
    /// Leaves out what takes long.
    pub(super) short: bool,
    /// All if there are none.
    pub(super) patterns: &'c [String],
}

/// Where the gateway asks itself over HTTP/2.
const TWICE: &str = "/twice";

/// How each case ended: its behaviour, and that of its close.
type Results = BTreeMap<String, (String, String)>;

/// Runs the cases against an echo, then against the gateway in front of it, once over HTTP/1.1 and once
/// with HTTP/2 on both of its sides.
///
/// # Errors
/// When the gateway, the echo or the tool does not run.
pub(super) async fn play(
    tools: &Tools,
    stage: Stage,
    chosen: Chosen<'_>,
) -> anyhow::Result<Verdict> {
    let [admin, plain, echo_port] = ports::free()?;
    let _echo = echo(&tools.python, echo_port, &stage.report("echo.log")).await?;
    let table = format!(
        "listeners: [{{ name: plain, bind: \"127.0.0.1:{plain}\" }}]\n\
         upstreams:\n\
         \x20 echo: {{ endpoints: [\"http://127.0.0.1:{echo_port}\"] }}\n\
         \x20 itself: {{ endpoints: [\"http://127.0.0.1:{plain}\"], protocol: http2, strip_prefix: {TWICE} }}\n\
         routes:\n\
         \x20 - {{ match: {{ prefix: {TWICE} }}, to: {{ upstream: itself }} }}\n\
         \x20 - {{ match: {{ prefix: / }}, to: {{ upstream: echo }} }}\n"
    );
    let scene = stage.start(admin, &table).await?;
    let mut results = Vec::new();
    for (name, url) in [
        ("alone", format!("ws://127.0.0.1:{echo_port}")),
        ("http1", format!("ws://127.0.0.1:{plain}")),
        ("http2", format!("ws://127.0.0.1:{plain}{TWICE}/")),
    ] {
        let started = Instant::now();
        results.push(cases(tools, &url, &scene.report(name), chosen).await);
        println!("  {name:<18} {} s", started.elapsed().as_secs());
    }
    scene.end().await;
    let results: Vec<Results> = results.into_iter().collect::<Result<_, _>>()?;
    let [alone, http1, http2] = &results[..] else {
        bail!("there are {} runs instead of three", results.len());
    };
    Ok(Verdict::of(
        alone.len() * 2,
        [("http1", http1), ("http2", http2)]
            .into_iter()
            .flat_map(|(name, through)| compare(name, alone, through))
            .collect(),
    ))
}

/// Starts the echo, and waits until it can be reached.
async fn echo(python: &Path, port: u16, log: &Path) -> anyhow::Result<Child> {
    let log = std::fs::File::create(log)?;
    let mut child = Command::new(python)
        .args(["-c", ECHO, &port.to_string()])
        .stdin(std::process::Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the echo")?;
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        if child.try_wait()?.is_some() || started.elapsed() > ECHO_DEADLINE {
            bail!("the echo does not start; see report/echo.log");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(child)
}

/// Runs the cases against one address.
async fn cases(
    tools: &Tools,
    url: &str,
    report: &Path,
    chosen: Chosen<'_>,
) -> anyhow::Result<Results> {
    let mut command = Command::new(&tools.kosoku);
    command.args(["--mode", "fuzzingclient", "--parallelism", "4"]);
    let patterns = chosen.patterns.iter();
    command.args(patterns.flat_map(|pattern| ["--include", pattern]));
    if chosen.short {
        command.args(LONG.iter().flat_map(|cases| ["--exclude", cases]));
    }
    command.arg("--outdir").arg(report).arg(url);
    // Its exit code tells of failed cases, which is not what is asked here.
    keep_output(&mut command, LIMIT, &report.with_extension("log")).await?;
    let index = report.join("index.json");
    let text = std::fs::read_to_string(&index)
        .with_context(|| format!("kosoku wrote no {}", index.display()))?;
    read(&serde_json::from_str(&text)?)
}

/// Reads kosoku's index: one server, its cases by number.
fn read(index: &Value) -> anyhow::Result<Results> {
    let servers = index.as_object().context("kosoku's index is no object")?;
    let cases = servers.values().next().and_then(Value::as_object);
    let text = |case: &Value, key: &str| case.get(key).and_then(Value::as_str).map(str::to_owned);
    let results: Option<Results> = cases
        .into_iter()
        .flatten()
        .map(|(number, case)| {
            let end = (text(case, "behavior")?, text(case, "behaviorClose")?);
            Some((number.clone(), end))
        })
        .collect();
    match results {
        Some(results) if !results.is_empty() => Ok(results),
        _ => bail!("kosoku's index has no cases"),
    }
}

/// The cases that do not end as they do without the gateway.
fn compare(name: &str, alone: &Results, through: &Results) -> Vec<String> {
    let numbers: std::collections::BTreeSet<&String> = alone.keys().chain(through.keys()).collect();
    numbers
        .into_iter()
        .filter(|number| alone.get(*number) != through.get(*number))
        .map(|number| {
            let end = |results: &Results| match results.get(number) {
                Some((behavior, close)) => format!("{behavior}, close {close}"),
                None => "not run".to_owned(),
            };
            format!(
                "{number} over {name}: {} instead of {}",
                end(through),
                end(alone)
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(cases: &str) -> Results {
        let index = format!("{{\"server\": {cases}}}");
        read(&serde_json::from_str(&index).expect("JSON")).expect("results")
    }

    #[test]
    fn a_case_that_ends_differently_is_a_failure_and_one_that_fails_in_both_is_not() {
        let alone = results(
            r#"{"1.1": {"behavior": "OK", "behaviorClose": "OK"}, "7.9": {"behavior": "FAILED", "behaviorClose": "WRONG CODE"}}"#,
        );
        assert!(compare("http1", &alone, &alone.clone()).is_empty());
        let mut through = alone.clone();
        through.insert("1.1".to_owned(), ("ERROR".to_owned(), "FAILED".to_owned()));
        let failed = compare("http1", &alone, &through);
        assert_eq!(
            failed,
            ["1.1 over http1: ERROR, close FAILED instead of OK, close OK"]
        );
        through.remove("1.1");
        assert_eq!(compare("http1", &alone, &through).len(), 1);
    }

    #[test]
    fn an_empty_index_proves_nothing() {
        assert!(read(&serde_json::json!({})).is_err());
        assert!(read(&serde_json::json!({ "server": {} })).is_err());
    }
}
