//! The order service over real sockets, with real inventory and catalogue behind it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test harness")]

mod shop;
mod placing;
mod idempotency;
mod failures;
mod discovery;
