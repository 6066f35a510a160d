//! Servers for the gateway to talk to.
//!
//! [`Fake`] is a polite one, an axum router; [`Speaking`] is as polite and speaks just what the test asks
//! for; [`Frames`] is HTTP/2 frame by frame; [`Rude`] writes and breaks off as raw TCP, where an HTTP
//! library would refuse to be as wrong as the test needs; [`Refused`] is not there at all.

mod fake;
mod frames;
mod rude;
mod speaking;

pub use fake::{Fake, echo};
pub use frames::Frames;
pub use rude::{Refused, Rude, read_head};
pub use speaking::{Speaking, Spoken};
