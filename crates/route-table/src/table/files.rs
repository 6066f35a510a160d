//! Files that a table names: whoever loads it reads them in.

use std::path::PathBuf;

use bytes::Bytes;

use crate::table::{Position, Table};

/// Index of a [`File`] in [`Table::files`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId(pub u32);

/// A file whose content is an answer, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Resolved against the folder of the table's file.
    pub path: PathBuf,
    /// Where it is named first.
    pub position: Position,
    pub used_as: FileUse,
    /// Empty until it has been read in.
    pub content: Bytes,
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileUse {
    /// An error page: HTML in UTF-8, with placeholders.
    Page,
    /// The body of a `respond`, as it is.
    Body,
}

impl Table {
    /// Returns the file with this index, under the same promise as [`Table::upstream`].
    #[must_use]
    pub fn file(&self, id: FileId) -> &File {
        #[expect(
            clippy::indexing_slicing,
            reason = "ids are made by compiling this very table"
        )]
        &self.files[id.0 as usize]
    }
}
