//! RFC 9111 by Mark Nottingham's tests (`http-cache-tests`): the gateway between them and their own server.
//!
//! The required ones count. Those that fail for a reason are in `cache_known.txt`; any other that fails is a
//! failure, as is one of them that passes, and so are too few that pass.

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

const PACKAGE: &str = "http-cache-tests@0.4.5";

/// Required tests that must pass: Varnish passes 119, Traffic Server 132 of what the suite's site lists.
const REQUIRED_MIN: usize = 131;

const KNOWN: &str = include_str!("cache_known.txt");

/// Tells what kind each test is: they are modules of a program, not data.
const KINDS: &str = "\
import suites from './tests/index.mjs'
const kinds = {}
for (const suite of suites) for (const test of suite.tests) {
  if (!test.browser_only) kinds[test.id] = test.kind || 'required'
}
console.log(JSON.stringify(kinds))
";

const LIMIT: Duration = Duration::from_secs(120);

/// How long the suite's server may take to start.
const SERVER_DEADLINE: Duration = Duration::from_secs(20);

/// # Errors
/// When a tool is missing.
pub(super) async fn tool(environment: &Path) -> anyhow::Result<PathBuf> {
    tools::node(environment, PACKAGE, "http-cache-tests").await
}

/// Runs all tests; those of one kind are told apart afterwards.
///
/// # Errors
/// When the gateway, the server or the suite does not run.
pub(super) async fn play(tool: &Path, stage: Stage) -> anyhow::Result<Verdict> {
    let [admin, plain, port] = ports::free()?;
    let _server = server(tool, port, &stage.report("server.log")).await?;
    let table = format!(
        "listeners: [{{ name: plain, bind: \"127.0.0.1:{plain}\" }}]\n\
         upstreams: {{ suite: {{ endpoints: [\"http://127.0.0.1:{port}\"], outlier: {{ local_failures: 0, gateway_failures: 0 }} }} }}\n\
         routes:\n\
         \x20 - {{ match: {{ prefix: /test }}, to: {{ upstream: suite }}, retries: 0, cache: true }}\n\
         \x20 - {{ match: {{ prefix: / }}, to: {{ upstream: suite }} }}\n"
    );
    let scene = stage.start(admin, &table).await?;
    let mut tests = node(tool, &["--no-warnings", "cli.mjs"]);
    tests
        .env("npm_config_base", format!("http://127.0.0.1:{plain}"))
        .env("npm_package_config_id", "");
    let report = scene.report("results.json");
    let outcome = keep_output(&mut tests, LIMIT, &report).await;
    scene.end().await;
    let (_, results) = outcome?;
    let kinds = tools::output(&mut node(tool, &["--input-type=module", "-e", KINDS])).await?;
    judge(&results, &kinds, KNOWN)
}

fn node(tool: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("node");
    command.args(arguments).current_dir(tool);
    command
}

/// Starts the suite's server, and waits until it can be reached.
async fn server(tool: &Path, port: u16, log: &Path) -> anyhow::Result<Child> {
    let pid = log.with_extension("pid");
    let log = std::fs::File::create(log)?;
    let mut child = node(tool, &["server/server.mjs"])
        .env("npm_config_protocol", "http")
        .env("npm_config_port", port.to_string())
        .env("npm_config_pidfile", pid)
        .stdin(std::process::Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the suite's server")?;
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        if child.try_wait()?.is_some() || started.elapsed() > SERVER_DEADLINE {
            bail!("the suite's server does not start; see report/server.log");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(child)
}

/// Reads what the suite says: of each test `true`, or why not.
fn judge(results: &str, kinds: &str, known: &str) -> anyhow::Result<Verdict> {
    let results: BTreeMap<String, Value> =
        serde_json::from_str(results).context("the suite wrote no results; see its report")?;
    let kinds: BTreeMap<String, String> = serde_json::from_str(kinds)?;
    let known = known.lines().filter(|line| !line.starts_with('#'));
    let known: BTreeMap<_, _> = known.filter_map(|line| line.split_once(' ')).collect();
    for kind in ["required", "optimal"] {
        let (passed, all) = count(&results, &kinds, kind);
        println!("  {kind:<9} {passed} of {all} passed");
    }
    let mut failed = Vec::new();
    for id in kinds
        .iter()
        .filter(|(_, kind)| *kind == "required")
        .map(|(id, _)| id)
    {
        let result = results.get(id).cloned().unwrap_or(Value::Null);
        match (result == Value::Bool(true), known.get(id.as_str())) {
            (false, None) => failed.push(format!("{id}: {result}")),
            (false, Some(why)) => println!("  known     {id}: {}", why.trim()),
            (true, Some(_)) => failed.push(format!("{id}: passes, take it out of cache_known.txt")),
            (true, None) => {}
        }
    }
    let (passed, _) = count(&results, &kinds, "required");
    if passed < REQUIRED_MIN {
        failed.push(format!(
            "{passed} required tests passed, not {REQUIRED_MIN}"
        ));
    }
    Ok(Verdict::of(kinds.len(), failed))
}

/// How many tests of a kind passed, and how many there are.
fn count(
    results: &BTreeMap<String, Value>,
    kinds: &BTreeMap<String, String>,
    kind: &str,
) -> (usize, usize) {
    let of_kind = || kinds.iter().filter(|(_, known)| *known == kind);
    let passed = of_kind().filter(|(id, _)| results.get(*id) == Some(&Value::Bool(true)));
    (passed.count(), of_kind().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many required tests as must pass, and how the last of them ends.
    fn verdict(last: &str, known: &str) -> Verdict {
        let ids: Vec<_> = (0..=REQUIRED_MIN)
            .map(|number| format!("t{number:03}"))
            .collect();
        let (last_id, rest) = ids.split_last().expect("some");
        let mut results: Vec<_> = rest.iter().map(|id| format!("\"{id}\": true")).collect();
        results.push(format!("\"{last_id}\": {last}"));
        let kinds: Vec<_> = ids
            .iter()
            .map(|id| format!("\"{id}\": \"required\""))
            .collect();
        let object = |pairs: &[String]| format!("{{{}}}", pairs.join(","));
        judge(&object(&results), &object(&kinds), known).expect("a verdict")
    }

    fn failed(verdict: Verdict) -> Vec<String> {
        match verdict {
            Verdict::Failed(failed) => failed,
            Verdict::Passed { .. } => Vec::new(),
        }
    }

    #[test]
    fn a_test_that_fails_must_be_known_and_a_known_one_must_fail() {
        let wrong = "[\"Assertion\", \"stale\"]";
        assert!(failed(verdict("true", "")).is_empty());
        assert!(failed(verdict(wrong, "# why\nt131  because")).is_empty());
        assert_eq!(
            failed(verdict(wrong, "")),
            ["t131: [\"Assertion\",\"stale\"]"]
        );
        assert!(failed(verdict("true", "t131 because"))[0].contains("take it out"));
    }

    #[test]
    fn too_few_that_pass_are_a_failure_and_no_results_are_an_error() {
        let verdict = judge("{\"a\": true}", "{\"a\": \"required\"}", "").expect("a verdict");
        assert_eq!(failed(verdict), ["1 required tests passed, not 131"]);
        assert!(judge("", "{}", "").is_err());
    }
}
