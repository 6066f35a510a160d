//! Builds what the demo runs, and learns where the binaries are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// The packages whose binaries the demo runs; each binary bears its package's name.
pub(crate) const PACKAGES: [&str; 4] = ["gateway", "bff-web", "bff-mobile", "shop"];

/// Where each binary is.
#[derive(Debug)]
pub(crate) struct Binaries(BTreeMap<String, PathBuf>);

impl Binaries {
    pub(crate) fn path(&self, name: &str) -> anyhow::Result<&Path> {
        let path = self
            .0
            .get(name)
            .with_context(|| format!("cargo built no binary `{name}`"))?;
        Ok(path)
    }
}

/// Runs `cargo build` for these packages; its progress goes to the terminal as usual.
///
/// # Errors
/// When the build fails, which cargo has explained by then.
pub(crate) fn build(root: &Path, packages: &[&str]) -> anyhow::Result<Binaries> {
    build_as(root, packages, "dev")
}

/// [`build`] by another profile than the one for development.
///
/// # Errors
/// When the build fails, which cargo has explained by then.
pub(crate) fn build_as(root: &Path, packages: &[&str], profile: &str) -> anyhow::Result<Binaries> {
    build_with(root, packages, |cargo| {
        cargo.args(["--profile", profile]);
        Ok(())
    })
}

/// [`build`], with whatever else cargo is to be told.
///
/// # Errors
/// When the build fails, which cargo has explained by then.
pub(crate) fn build_with(
    root: &Path,
    packages: &[&str],
    tell: impl FnOnce(&mut Command) -> anyhow::Result<()>,
) -> anyhow::Result<Binaries> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(root)
        .args(["build", "--message-format=json-render-diagnostics"])
        .args(packages.iter().flat_map(|package| ["--package", package]))
        .stderr(Stdio::inherit());
    tell(&mut command)?;
    let output = command.output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("the build failed; cargo says above why");
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    Ok(Binaries(messages.lines().filter_map(executable).collect()))
}

/// The name and place of the binary that one line of cargo's messages reports.
fn executable(line: &str) -> Option<(String, PathBuf)> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let path = message.get("executable")?.as_str()?;
    let name = message.get("target")?.get("name")?.as_str()?;
    Some((name.to_owned(), path.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_report_a_binary_count() {
        let binary =
            r#"{"reason":"compiler-artifact","target":{"name":"shop"},"executable":"/x/shop"}"#;
        assert_eq!(
            executable(binary),
            Some(("shop".to_owned(), "/x/shop".into()))
        );
        for other in [
            r#"{"reason":"compiler-artifact","target":{"name":"http"},"executable":null}"#,
            r#"{"reason":"build-finished","success":true}"#,
            "not JSON",
        ] {
            assert_eq!(executable(other), None);
        }
    }
}
