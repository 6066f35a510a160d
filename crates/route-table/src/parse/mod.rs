//! YAML with positions: a tree in which every node knows its line and column.
//!
//! The YAML itself is saphyr-parser's. [`events`] turns its events into the [`tree`], which holds only
//! what a table needs: scalars as text, sequences, and mappings in their order; [`interpolate`] puts
//! environment variables in.

mod events;
mod interpolate;
mod tree;

pub(crate) use events::{Malformed, read};
pub(crate) use tree::{Key, Node, Place, Value};
