//! The adapter over real sockets: before the monolith itself, and before peers that fail in every way.

#![expect(clippy::unwrap_used, reason = "test harness")]

mod harness;
mod customers;
mod failures;
