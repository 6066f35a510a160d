//! Files that outlive the process: whole or not at all, and for its own eyes.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Writes a file in the place of what was there, and makes its folder.
///
/// # Errors
/// What the file system says; the old file is then as it was.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        let mut for_us_alone = DirBuilder::new();
        for_us_alone.recursive(true).mode(0o700).create(folder)?;
    }
    // Renamed when it is whole; two processes of an upgrade do not write the same one.
    let unfinished = path.with_extension(format!("{}.new", std::process::id()));
    let mut for_us_alone = OpenOptions::new();
    for_us_alone
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600);
    for_us_alone.open(&unfinished)?.write_all(bytes)?;
    std::fs::rename(&unfinished, path)
}
