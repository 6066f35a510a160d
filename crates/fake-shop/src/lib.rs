//! Stand-ins for what a BFF calls, in process and on port 0, which a test can tell to fail: answer an
//! error, hang, or stall in the middle of a body. They remember what they were asked.
//!
//! [`Fake`] is one server, [`Shop`] is all that a BFF needs: gateway, admin, catalogue and registry.

#![expect(clippy::unwrap_used, reason = "test harness")]

mod server;
pub mod shop;

pub use server::{Answer, Fake, Seen};
pub use shop::Shop;
