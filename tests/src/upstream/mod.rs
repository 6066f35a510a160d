//! Servers for the gateway to talk to.
//!
//! [`Fake`] is a polite one, an axum router; [`Recording`] keeps every byte it was sent; [`Rude`] writes
//! and breaks off as raw TCP, where an HTTP library would refuse to be as wrong as the test needs;
//! [`Refused`] is not there at all.

mod fake;
mod recording;
mod rude;

pub use fake::{Fake, echo};
pub use recording::{Received, Recording, Seen};
pub use rude::{Refused, Rude, read_head};
