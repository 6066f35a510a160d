//! `cargo xtask demo`: every process of the shop on this machine, from a clean state to a clean end.
//!
//! ```text
//! options → ports free? → folder (lock, clean) → build → certificates → plan → processes → open → table
//!                                                                                      └ smoke journey
//! ```
//!
//! The launcher holds a pipe to the standard input of each child. A child stops when that pipe closes:
//! this is how the launcher stops it, and also what happens when the launcher is killed with -9. So no
//! process is ever left behind, and nobody signals a process id that may belong to someone else by now.
//!
//! [`crate::suite`] starts its gateways in the same way, by the same modules.

mod options;
mod launch;
pub(crate) mod ports;
pub(crate) mod folder;
pub(crate) mod build;
pub(crate) mod certificates;
pub(crate) mod plan;
pub(crate) mod processes;
mod client;
mod open;
mod table;
mod smoke;

pub(crate) use launch::{run, workspace_root};
pub(crate) use options::Options;
