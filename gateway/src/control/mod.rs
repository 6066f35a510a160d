//! The control thread: everything that watches, fetches or polls, away from the request's path.
//!
//! [`reload`] follows the route table's files ([`table_files`], [`last_good`]), [`answer_files`] those that they name, [`certificates`] and [`upstream_tls`] the PEM files,
//! [`discovery`] the registry, [`dns`] names of endpoints, [`health`] asks endpoints how they are, and
//! [`drain`] ends the process in order.
//!
//! **Architecture invariant:** workers never wait for this thread, but for the first address of a name
//! that nobody has looked up yet. Should one of its tasks fail, traffic
//! goes on with the last snapshot.

mod answer_files;
mod certificates;
mod discovery;
mod dns;
mod drain;
mod fingerprint;
mod health;
mod kept_table;
mod last_good;
mod memory;
mod outliers;
mod reload;
mod supervise;
mod table_files;
mod upstream_tls;

pub(crate) use answer_files::follow_answer_files;
pub(crate) use certificates::follow_certificates;
pub(crate) use drain::{close, drain};
pub(crate) use fingerprint::Fingerprint;
pub(crate) use kept_table::KeptTable;
pub(crate) use reload::{FirstTable, Followed, Reloader, first_table};
pub(crate) use supervise::{start_tasks, supervised};
pub(crate) use table_files::{LoadError, TableFiles, load};
