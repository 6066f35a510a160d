//! Orders in SQLite: reads in [`read`], changes of state in [`write`], the first fill in [`seed`].
//!
//! Every change of an order's state names the version it was made from, and is one transaction
//! with what depends on it: the kept answer, and the note that stock is to be given back.

mod read;
mod write;
mod seed;

use sqlite::Database;

pub(crate) use write::{Begun, Draft, Recall};

/// The orders on disk; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: Database,
}
