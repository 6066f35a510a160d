//! The last good version of a table's files on disk, so that one team's broken file does not keep the gateway
//! from starting.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::table_files::{TableFile, TableFiles};
use crate::lifecycle::write_whole;

/// Where they are; none by default: nothing is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeptTable(Option<PathBuf>);

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// The first file before the others.
    files: Vec<KeptFile>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptFile {
    path: PathBuf,
    text: Arc<str>,
}

impl KeptTable {
    pub(crate) fn below(state_dir: Option<&Path>) -> Self {
        Self(state_dir.map(|folder| folder.join("route-table.json")))
    }

    /// The files of the table that begins with `first`, as they were last good.
    pub(super) fn read(&self, first: &Path) -> Option<TableFiles> {
        let path = self.0.as_deref()?;
        let bytes = std::fs::read(path)
            .inspect_err(|error| {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(path = %path.display(), %error, "kept route table can not be read");
                }
            })
            .ok()?;
        let kept: Kept = serde_json::from_slice(&bytes)
            .inspect_err(|error| {
                tracing::warn!(path = %path.display(), %error, "kept route table is of no use; ignored");
            })
            .ok()?;
        if kept.files.first()?.path != first {
            return None;
        }
        let files = kept.files.into_iter();
        let known = files.map(|file| TableFile::known(file.path, file.text));
        Some(TableFiles::of(known.collect()))
    }

    /// Keeps the files of a table that was just applied. What goes wrong is logged: they serve without.
    pub(super) fn write(&self, files: &TableFiles) {
        let Some(path) = &self.0 else { return };
        let kept = files.iter().filter_map(|file| {
            Some(KeptFile {
                path: file.path.clone(),
                text: file.text.clone().ok()?,
            })
        });
        let kept = Kept {
            files: kept.collect(),
        };
        let written = serde_json::to_vec(&kept).map_err(io::Error::from);
        if let Err(error) = written.and_then(|bytes| write_whole(path, &bytes)) {
            tracing::warn!(%error, "route table can not be kept for the next start");
        }
    }
}
