//! What processes use: CPU time and memory, from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// What `/proc` counts CPU time in: `USER_HZ`, which Linux fixes at 100 for programs.
const TICK: Duration = Duration::from_millis(10);

/// Memory of a process and its descendants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// Resident pages, those shared with other processes included.
    pub(super) resident_kib: u64,
    /// Resident pages, shared ones divided among those that share them.
    pub(super) proportional_kib: u64,
}

/// What one line of `/proc/PID/stat` says.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// User and system time, in ticks.
    ticks: u64,
}

/// CPU time, user and system, that a process and its descendants have used so far.
///
/// # Errors
/// When `/proc` can't be read, or the process is gone.
pub(super) fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let all = processes()?;
    let ticks: u64 = tree(pid, &all)
        .iter()
        .filter_map(|pid| all.get(pid))
        .map(|stat| stat.ticks)
        .sum();
    anyhow::ensure!(all.contains_key(&pid), "process {pid} is gone");
    Ok(TICK * u32::try_from(ticks)?)
}

/// Memory of a process and its descendants.
///
/// # Errors
/// When `/proc` can't be read, or the process is gone.
pub(super) fn memory(pid: u32) -> anyhow::Result<Memory> {
    let mut sum = Memory {
        resident_kib: 0,
        proportional_kib: 0,
    };
    for pid in tree(pid, &processes()?) {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
            .with_context(|| format!("cannot read the memory of process {pid}"))?;
        sum.resident_kib += kib(&text, "Rss:").context("no Rss")?;
        sum.proportional_kib += kib(&text, "Pss:").context("no Pss")?;
    }
    Ok(sum)
}

fn processes() -> anyhow::Result<BTreeMap<u32, Stat>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir("/proc").context("cannot read /proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // One that has ended meanwhile is nobody's.
        if let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) {
            all.extend(stat(&text).map(|stat| (pid, stat)));
        }
    }
    Ok(all)
}

/// A process and everything below it.
fn tree(root: u32, all: &BTreeMap<u32, Stat>) -> Vec<u32> {
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(parent) = tree.get(next).copied() {
        let children = all.iter().filter(|(_, stat)| stat.parent == parent);
        tree.extend(children.map(|(pid, _)| *pid));
        next += 1;
    }
    tree
}

/// Reads `PID (NAME) STATE PPID …`, see proc_pid_stat(5). A name may hold blanks and parentheses.
fn stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(1)?).ok()?,
        ticks: number(11)? + number(12)?,
    })
}

fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_what_looks_like_fields() {
        let line = "7 (a) b (c) S 3 7 7 0 -1 0 1 0 0 0 250 50 1 1 20 0 1 0 5";
        let expected = Stat {
            parent: 3,
            ticks: 300,
        };
        assert_eq!(stat(line), Some(expected));
        assert_eq!(stat("7 (cut"), None);
    }

    #[test]
    fn a_tree_has_grandchildren_and_no_strangers() {
        let child_of = |parent| Stat { parent, ticks: 1 };
        let all = [(1, 0), (2, 1), (3, 2), (4, 9)].map(|(pid, parent)| (pid, child_of(parent)));
        assert_eq!(tree(1, &BTreeMap::from(all)), [1, 2, 3]);
    }

    #[test]
    fn our_own_use_can_be_read() {
        let own = std::process::id();
        assert!(cpu(own).is_ok());
        let memory = memory(own).expect("readable");
        assert!(memory.resident_kib >= memory.proportional_kib && memory.proportional_kib > 0);
    }
}
