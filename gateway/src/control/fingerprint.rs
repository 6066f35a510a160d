//! Tells versions of a file apart without reading it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// One version of a file. `None`: there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint(Option<[u64; 5]>);

impl Fingerprint {
    pub(crate) fn of(path: &Path) -> Self {
        let numbers = |meta: Metadata| {
            // The change time can't be set back by a tool that keeps modification times.
            [
                meta.dev(),
                meta.ino(),
                meta.size(),
                nanos(meta.mtime(), meta.mtime_nsec()),
                nanos(meta.ctime(), meta.ctime_nsec()),
            ]
        };
        Self(std::fs::metadata(path).ok().map(numbers))
    }
}

fn nanos(seconds: i64, nanos: i64) -> u64 {
    seconds
        .wrapping_mul(1_000_000_000)
        .wrapping_add(nanos)
        .cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_saving_changes_the_fingerprint() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("routes.yaml");
        let mut prints = vec![Fingerprint::of(&path)];
        std::fs::write(&path, "one").expect("writable");
        prints.push(Fingerprint::of(&path));
        std::fs::write(folder.path().join("new"), "two").expect("writable");
        std::fs::rename(folder.path().join("new"), &path).expect("renamed");
        prints.push(Fingerprint::of(&path));
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(folder.path().join("v2.yaml"), "two").expect("writable");
        std::os::unix::fs::symlink(folder.path().join("v2.yaml"), &path).expect("linked");
        prints.push(Fingerprint::of(&path));
        prints.dedup();
        assert_eq!(prints.len(), 4);
    }
}
