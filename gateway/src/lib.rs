//! Banyan's gateway: TLS, authentication, limits, discovery and load balancing in front of services,
//! and a strangler route table that moves URIs from a monolith to them.
//!
//! The modules stand in the order in which a request meets them. [`pipeline`] is that path as one
//! function; `ARCHITECTURE.md` tells it as a story.
//!
//! A request runs from start to end on one worker thread ([`run`]): it shares nothing with other
//! requests but atomics and one immutable [`routing::Snapshot`]. Everything that watches, fetches or
//! polls lives on the control thread ([`control`]), which publishes new snapshots and never makes a
//! worker wait.

pub mod cli;
pub mod defaults;
pub mod extend;

mod run;
mod lifecycle;
mod state;
mod pipeline;
mod listener;
mod edge;
mod canonical;
mod explain;
mod plan;
mod check;
mod routing;
mod auth;
mod limits;
mod cache;
mod migration;
mod mirror;
mod balance;
mod upstream;
mod respond;
mod telemetry;
mod admin;
mod control;
