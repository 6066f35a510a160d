//! The route table at work: one immutable snapshot a request.
//!
//! [`snapshot`] is a compiled table with the live state that belongs to it. Parsing and matching are
//! the `route_table` crate's, so that every tool sees the same table.

mod snapshot;
mod split;

pub(crate) use snapshot::Snapshot;
pub(crate) use split::share_of;

/// Compiles a table that a test wrote inline.
#[cfg(test)]
#[track_caller]
pub(crate) fn table_for_test(text: &str) -> route_table::Table {
    let source = route_table::Source {
        file: "routes.yaml",
        text,
        base_dir: std::path::Path::new("."),
        env: &|_| None,
    };
    route_table::load(&source).unwrap_or_else(|errors| panic!("{errors}"))
}
