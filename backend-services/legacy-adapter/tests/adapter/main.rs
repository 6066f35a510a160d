//! The adapter over real sockets: before the monolith itself, and before peers that fail in every way.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test harness"
)]

mod harness;
mod customers;
mod failures;
