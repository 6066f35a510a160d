//! Parts over real sockets: services that answer, fail, hang, stall in the middle, and talk nonsense.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test harness")]

mod service;
mod partial;
mod required;
mod budget;
mod catalogue;
