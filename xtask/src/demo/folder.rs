//! The state of a run on disk: databases, certificates, logs, process ids.

use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// What a run without `--keep` removes.
const STATE: [&str; 3] = ["data", "logs", "report"];

/// Files that a run without `--keep` removes.
const FILES: [&str; 4] = ["ca.pem", "ca.key", "edge.pem", "edge.key"];

/// How much of a log's end is read to show its last lines.
const TAIL_BYTES: u64 = 16 * 1024;

/// A folder that belongs to this launcher until it ends.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Locked; the lock goes with the process, however that ends.
    _lock: File,
}

impl Folder {
    /// Takes the folder, and cleans it unless `keep`.
    ///
    /// # Errors
    /// When another demo uses it, or the file system refuses.
    pub(crate) fn take(path: &Path, keep: bool) -> anyhow::Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
        let path = path.canonicalize()?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .with_context(|| format!("cannot write to {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another run is using {}: stop it, or give a demo its own folder with --dir",
                path.display()
            ),
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the folder"),
        }
        let folder = Self { path, _lock: lock };
        folder.clean(keep)?;
        Ok(folder)
    }

    fn clean(&self, keep: bool) -> anyhow::Result<()> {
        let remove = |name: &str| match self.path.join(name) {
            path if path.is_dir() => fs::remove_dir_all(path),
            path if path.exists() => fs::remove_file(path),
            _ => Ok(()),
        };
        let names = if keep {
            Vec::new()
        } else {
            [STATE.as_slice(), FILES.as_slice()].concat()
        };
        for name in names.into_iter().chain(["pids"]) {
            remove(name).with_context(|| format!("cannot remove {name} of the last run"))?;
        }
        for name in ["data", "logs", "pids"] {
            fs::create_dir_all(self.path.join(name))?;
        }
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.path.join("ca.pem")
    }

    pub(crate) fn log(&self, process: &str) -> PathBuf {
        self.path.join("logs").join(format!("{process}.log"))
    }

    pub(crate) fn pid_file(&self, process: &str) -> PathBuf {
        self.path.join("pids").join(format!("{process}.pid"))
    }

    /// The last lines that a process wrote, each shortened to fit a terminal.
    pub(crate) fn log_tail(&self, process: &str, lines: usize) -> String {
        let text = read_end(&self.log(process)).unwrap_or_default();
        let all: Vec<&str> = text.lines().collect();
        let shown = all.iter().skip(all.len().saturating_sub(lines));
        shown
            .map(|line| format!("  | {}\n", line.chars().take(400).collect::<String>()))
            .collect()
    }
}

fn read_end(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
