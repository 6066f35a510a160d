//! The edge's TLS against Mozilla's intermediate configuration (`sslyze`).
//!
//! Versions, cipher suites, curves and the handshake's details are the gateway's. Those that are about
//! the certificate (its path, key, signature and life) are the operator's; here the demo's authority
//! meets them: keys on P-256, signed with ECDSA and SHA-256, valid for 366 days, and the authority is
//! given to the tool as one to trust.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use tokio::process::Command;

use crate::demo::ports;
use crate::suite::run::Verdict;
use crate::suite::scene::{Stage, keep_output};
use crate::tools;

/// The tool, at the version whose words are read here.
const SSLYZE: &str = "sslyze==6.3.1";

const LIMIT: Duration = Duration::from_secs(120);

/// # Errors
/// When the tool is missing.
pub(super) async fn tool(environment: &Path) -> anyhow::Result<PathBuf> {
    let programs = tools::python(environment, &[SSLYZE]).await?;
    Ok(programs.join("sslyze"))
}

/// Scans an edge.
///
/// # Errors
/// When the gateway or the tool does not run.
pub(super) async fn play(tool: &Path, stage: Stage) -> anyhow::Result<Verdict> {
    let [admin, edge] = ports::free()?;
    let table = format!(
        "listeners: [{{ name: edge, bind: \"127.0.0.1:{edge}\", tls: {{ cert: edge.pem, key: edge.key }} }}]\n\
         upstreams: {{}}\n\
         routes: [{{ match: {{ prefix: / }}, to: {{ respond: {{ status: 200, body: ok }} }} }}]\n"
    );
    let scene = stage.start(admin, &table).await?;
    let mut command = Command::new(tool);
    command
        .args(["--mozilla_config", "intermediate", "--certinfo_ca_file"])
        .arg(scene.ca())
        .arg("--json_out")
        .arg(scene.report("sslyze.json"))
        .arg(format!("localhost:{edge}"));
    let log = scene.report("sslyze.log");
    let outcome = keep_output(&mut command, LIMIT, &log).await;
    scene.end().await;
    let (succeeded, said) = outcome?;
    judge(succeeded, &said)
}

/// What sslyze's last paragraph says.
fn judge(succeeded: bool, said: &str) -> anyhow::Result<Verdict> {
    let Some((_, compliance)) = said.split_once("COMPLIANCE AGAINST TLS CONFIGURATION") else {
        bail!("sslyze came to no conclusion; see its log");
    };
    let issues: Vec<String> = compliance
        .lines()
        .filter_map(|line| line.trim().strip_prefix("* "))
        .map(str::to_owned)
        .collect();
    match (succeeded, issues.is_empty()) {
        (true, true) if compliance.contains("OK - Compliant") => Ok(Verdict::Passed { cases: 1 }),
        (false, false) => Ok(Verdict::Failed(issues)),
        _ => bail!("sslyze's exit code and its words disagree; see its log"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issues_are_read_and_silence_is_no_success() {
        let said = "COMPLIANCE AGAINST TLS CONFIGURATION\n\n    localhost:1: FAILED - Not compliant.\n        \
                    * ciphers: too many\n";
        let verdict = judge(false, said).expect("a verdict");
        assert!(matches!(verdict, Verdict::Failed(issues) if issues == ["ciphers: too many"]));
        assert!(judge(true, "").is_err());
        assert!(judge(true, said).is_err());
    }
}
