//! The strangler route table: what `routes.yaml` means.
//!
//! A text becomes a table in two steps, and a request meets its route in one more:
//!
//! 1. [`parse`] reads YAML into a tree in which every node knows its line and column.
//! 2. [`validate`] turns the tree into a [`Table`] with every name resolved, and collects *all* errors
//!    on the way, each with its place and its mend.
//! 3. [`matcher`] finds the route of a request in a time that does not grow with the number of routes;
//!    [`logged`] does so for what a log knows of it, [`explain`] says what every row lacked that did not take it, [`nearest_miss`] which came closest.
//!
//! [`lint`] looks through a table for what is allowed and seldom meant.
//!
//! **Architecture invariant:** this crate does no I/O. The text, the file's name and the environment
//! are arguments, so that `gateway check`, the running gateway and tests see the same table.

mod error;
mod parse;
mod validate;
mod matcher;
mod nearest_miss;
mod explain;
mod logged;
pub mod lint;

pub mod defaults;
pub mod table;

pub use error::{TableError, TableErrors};
pub use explain::{Candidate, Explanation, Verdict};
pub use logged::{Known, LoggedFacts, LoggedFields, Possible, decoded_query_part};
pub use matcher::{Match, Params, RequestFacts};
pub use nearest_miss::NearestMiss;
pub use table::Table;
pub use validate::{Include, Source, includes, load, load_api_keys, load_files, parse_duration};
