//! Servers for the gateway to talk to.
//!
//! [`Fake`] is a polite one, an axum router; [`Speaking`] is as polite and speaks just what the test asks
//! for; [`Recording`] keeps every byte it was sent; [`Frames`] is HTTP/2 frame by frame; [`Rude`] writes and
//! breaks off as raw TCP, where an HTTP library would refuse to be as wrong as the test needs; [`Refused`]
//! is not there at all. [`Node`] is one of several alike. [`websocket_echo`] leaves HTTP, [`websocket_over_http2`] too, [`event_stream`] never ends its answer.

mod events;
mod fake;
mod frames;
mod node;
mod recording;
mod rude;
mod speaking;
mod websocket;

pub use events::event_stream;
pub use fake::{Fake, echo};
pub use frames::Frames;
pub use node::Node;
pub use recording::{Received, Recording, Seen};
pub use rude::{Refused, Rude, read_head};
pub use speaking::{Speaking, Spoken};
pub use websocket::{answer_handshake, websocket_echo, websocket_over_http2};
