//! `cargo xtask dist`: the gateway as it ships.
//!
//! ```text
//! build that counts what runs → the benches' loads on it → profile → build that is laid out by it
//! ```
//!
//! Profile-guided optimisation: what a request runs through is a small part of the program, and this puts
//! it side by side. A third of the time in user space is what it saves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};

use crate::bench;
use crate::demo::{build, workspace_root};
use crate::tools;

const EXAMPLES: &str = "\
Examples:
  cargo xtask dist                                               target/dist/gateway
  cargo xtask bench bare --gateway target/dist/gateway           and what it costs

Needs what `cargo xtask bench` needs, and llvm-profdata: from `rustup component add llvm-tools`, or Debian's.";

/// Versions of LLVM whose tool reads the profiles of today's compilers; Debian's names bear them.
const LLVM_VERSIONS: std::ops::RangeInclusive<u32> = 19..=25;

/// Options of `cargo xtask dist`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options;

/// Builds the gateway twice, and trains it in between.
///
/// # Errors
/// When a program is missing, a build fails, or the training does.
pub(crate) fn run(_: &Options) -> anyhow::Result<ExitCode> {
    let root = workspace_root()?;
    let folder = root.join("target/dist");
    let (profiles, profile) = (folder.join("profiles"), folder.join("gateway.profdata"));
    let profdata = profdata()?;
    remove(&profiles)?;
    fs::create_dir_all(&profiles).context("cannot write into target")?;

    println!("1/3 a gateway that counts what it runs");
    let flag = format!("-Cprofile-generate={}", profiles.display());
    let counting = built(&root, &folder.join("counting"), &flag)?;
    println!("2/3 loads for it to count");
    bench::train(&root, &counting)?;
    merge(&profdata, &profiles, &profile)?;
    println!("3/3 the gateway, laid out by what was counted");
    let flag = format!("-Cprofile-use={}", profile.display());
    let target = folder.join("build");
    // cargo does not see that a profile has changed.
    remove(&target)?;
    let gateway = built(&root, &target, &flag)?;
    let shipped = folder.join("gateway");
    fs::copy(&gateway, &shipped).with_context(|| format!("cannot write {}", shipped.display()))?;
    println!("{}", shipped.display());
    Ok(ExitCode::SUCCESS)
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Builds the gateway with one more flag for the compiler, in a target folder of its own.
fn built(root: &Path, target: &Path, flag: &str) -> anyhow::Result<PathBuf> {
    let mut flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    flags.push(' ');
    flags.push_str(flag);
    let built = build::build_with(root, &["gateway"], |cargo| {
        cargo
            .args(["--profile", "release", "--target", &host()?])
            .arg("--target-dir")
            .arg(target)
            // With a target named, build scripts and macros are built without it.
            .env("RUSTFLAGS", flags);
        Ok(())
    })?;
    Ok(built.path("gateway")?.to_owned())
}

fn merge(profdata: &Path, profiles: &Path, profile: &Path) -> anyhow::Result<()> {
    let mut raw = Vec::new();
    for entry in fs::read_dir(profiles)? {
        raw.push(entry?.path());
    }
    if raw.is_empty() {
        bail!("the training has left no profile in {}", profiles.display());
    }
    let mut command = Command::new(profdata);
    said(command.args(["merge", "-o"]).arg(profile).args(raw)).context(
        "llvm-profdata cannot read what this compiler writes: rustup component add llvm-tools",
    )?;
    Ok(())
}

/// The tool that comes with the compiler, or one that reads the same profiles.
fn profdata() -> anyhow::Result<PathBuf> {
    let sysroot = said(Command::new("rustc").args(["--print", "sysroot"]))?;
    let own = Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(host()?)
        .join("bin/llvm-profdata");
    if own.is_file() {
        return Ok(own);
    }
    let versioned = |version| format!("llvm-profdata-{version}");
    let there = LLVM_VERSIONS
        .rev()
        .find_map(|version| tools::find(&versioned(version)));
    if let Some(there) = there {
        return Ok(there);
    }
    let oldest = *LLVM_VERSIONS.start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(tools::debian(&format!("llvm-{oldest}"), &versioned(oldest)))
}

/// The target that the compiler builds for by default.
fn host() -> anyhow::Result<String> {
    let version = said(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not name its host")?.to_owned())
}

/// What a command wrote to standard output.
fn said(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().to_owned();
    let output = command.output();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}", program.display(), error.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
