//! The control thread: everything that watches, fetches or polls, away from the request's path.
//!
//! [`reload`] follows the route table's file, [`files`] those that it names, [`certificates`] and [`upstream_tls`] the PEM files,
//! [`discovery`] the registry, [`dns`] names of endpoints, [`health`] asks endpoints how they are, and
//! [`drain`] ends the process in order.
//!
//! **Architecture invariant:** workers never wait for this thread, but for the first address of a name
//! that nobody has looked up yet. Should one of its tasks fail, traffic
//! goes on with the last snapshot.

mod certificates;
mod discovery;
mod dns;
mod drain;
mod files;
mod health;
mod memory;
mod outliers;
mod reload;
mod supervise;
mod upstream_tls;

pub(crate) use certificates::follow_certificates;
pub(crate) use drain::{close, drain};
pub(crate) use files::follow_files;
pub(crate) use reload::{Fingerprint, LoadError, Reloader, load};
pub(crate) use supervise::{start_tasks, supervised};
