//! The life of the process: how it gets its sockets, and how it gives them away.
//!
//! [`inherited`] takes listening sockets from a service manager or from the process before this one,
//! [`listeners`] opens the others and follows the table's changes, [`workers`] accept from them,
//! [`upgrade`] starts the process that comes after and hands it every socket, and [`service_manager`]
//! tells systemd about it; [`state_file`] writes what outlives them all.
//!
//! **Architecture invariant:** a socket with a queue is closed only when nobody is to listen there any
//! more: closing one of several resets the connections that wait in it.

mod inherited;
mod listeners;
pub(crate) mod service_manager;
mod state_file;
mod upgrade;
mod workers;

pub(crate) use inherited::{Inherited, Label, Predecessor};
pub(crate) use listeners::{ListenError, Listeners};
pub(crate) use state_file::write_whole;
pub(crate) use upgrade::Upgrades;
pub(crate) use workers::start_workers;
