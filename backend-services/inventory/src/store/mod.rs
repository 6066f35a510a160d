//! Stock in SQLite; reservations of it are in [`reservations`].

mod reservations;
mod stock;
mod seed;

use sqlite::Database;

pub(crate) use reservations::{ReleaseError, ReserveError};
pub(crate) use stock::RecountError;

/// Stock and reservations on disk; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: Database,
}
