//! The harness of the end-to-end tests in `tests/e2e`: real binaries as processes, real sockets.
//!
//! - [`Process`]: a child whose log lines can be waited for, killed when the test ends.
//! - [`Gateway`]: the gateway on port 0 with a route table of the test's own, which can be edited.
//! - [`upstream`]: servers for the gateway to talk to, well-behaved and otherwise.
//! - [`Issuer`]: a provider of tokens, honest and otherwise.
//! - [`Shop`]: the real services behind the real `routes.yaml`.
//! - [`Raw`] and [`frames`]: HTTP/1.1 and HTTP/2 written by hand, right or wrong.
//! - [`load`]: requests at a steady rate, each answer kept.
//!
//! Every wait has a deadline; what it waited for is in the message. Nothing is shared between tests.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test harness: a broken expectation ends the test"
)]

mod authority;
mod deadline;
mod port;
mod process;
mod wire;
mod raw;
mod client;
mod decoder;
mod gateway;
mod issuer;
mod shop;

pub mod frames;
pub mod load;
pub mod upstream;

pub use authority::Authority;
pub use client::{Reply, ReplyExt, plain_client};
pub use deadline::{PATIENCE, assert_prompt, eventually, within};
pub use decoder::Decoder;
pub use gateway::{Edit, Gateway};
pub use issuer::Issuer;
pub use port::HeldPort;
pub use process::{Binary, Process, Signal};
pub use raw::{Answer, Raw};
pub use shop::{Binaries, Service, Shop};
