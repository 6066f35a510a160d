//! Messages byte by byte on both sides of the gateway: the scripts in `tests/vtc`, by `varnishtest`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::Command;

use crate::demo::ports;
use crate::suite::run::Verdict;
use crate::suite::scene::{Stage, keep_output};
use crate::tools;

/// Seconds that one script may take.
const SCRIPT_SECONDS: &str = "20";

const LIMIT: Duration = Duration::from_secs(300);

/// # Errors
/// When the tool is missing.
pub(super) async fn tool() -> anyhow::Result<PathBuf> {
    tools::debian("varnish", "varnishtest").await
}

/// Runs all scripts, one after the other: each is the gateway's upstream in its turn.
///
/// # Errors
/// When the gateway or the tool does not run.
pub(super) async fn play(tool: &Path, root: &Path, stage: Stage) -> anyhow::Result<Verdict> {
    let scripts = scripts(&root.join("tests/vtc"))?;
    let [admin, plain, upstream] = ports::free()?;
    let table = format!(
        "listeners: [{{ name: plain, bind: \"127.0.0.1:{plain}\" }}]\n\
         upstreams: {{ script: {{ endpoints: [\"http://127.0.0.1:{upstream}\"], outlier: {{ local_failures: 0 }} }} }}\n\
         routes: [{{ match: {{ prefix: / }}, to: {{ upstream: script }} }}]\n"
    );
    let scene = stage.start(admin, &table).await?;
    let mut command = Command::new(tool);
    command
        .args(["-k", "-j", "1", "-t", SCRIPT_SECONDS])
        .arg(format!("-Dgateway=127.0.0.1:{plain}"))
        .arg(format!("-Dupstream=127.0.0.1:{upstream}"))
        .args(&scripts);
    let log = scene.report("varnishtest.log");
    let outcome = keep_output(&mut command, LIMIT, &log).await;
    scene.end().await;
    let (succeeded, said) = outcome?;
    judge(succeeded, &said, scripts.len())
}

fn scripts(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "vtc"))
        .collect();
    found.sort();
    if found.is_empty() {
        bail!("{} has no scripts", folder.display());
    }
    Ok(found)
}

/// One line a script says how it went.
fn judge(succeeded: bool, said: &str, scripts: usize) -> anyhow::Result<Verdict> {
    let verdicts = |word: &str| -> Vec<String> {
        let lines = said.lines().filter(|line| line.starts_with('#'));
        lines
            .filter(|line| line.contains("TEST ") && line.contains(word))
            .filter_map(|line| line.split("TEST ").nth(1).map(str::to_owned))
            .collect()
    };
    let (passed, failed) = (verdicts(" passed"), verdicts(" FAILED"));
    if passed.len() + failed.len() != scripts || succeeded != failed.is_empty() {
        let (passed, failed) = (passed.len(), failed.len());
        bail!(
            "varnishtest told of {passed} passed and {failed} failed of {scripts} scripts; see its log"
        );
    }
    Ok(Verdict::of(scripts, failed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_must_have_been_heard_of() {
        let said = "#    top  TEST a.vtc passed (0.1)\n#    top  TEST b.vtc FAILED (0.2) exit=2\n";
        let verdict = judge(false, said, 2).expect("a verdict");
        assert!(
            matches!(verdict, Verdict::Failed(failed) if failed == ["b.vtc FAILED (0.2) exit=2"])
        );
        assert!(judge(false, said, 3).is_err());
        assert!(judge(true, said, 2).is_err());
        assert!(judge(true, "", 1).is_err());
    }
}
