//! Runs any of the shop's services: one binary, so that there is one thing to build and to ship.
//!
//! [`cli`] reads the command line, [`service`] knows the services and their ports, [`lifetime`]
//! starts one or several in this process and ends them together, and [`token`] prints an access
//! token for curl.

pub mod cli;
mod service;
mod up;
mod lifetime;
mod token;
