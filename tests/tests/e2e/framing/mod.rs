//! Requests with two readings, and what an upstream may see of them: nothing, or one clean request.
//!
//! Every case is bytes on a raw connection, the status that answers them, and the exact bytes that a
//! recording upstream may then have got. A [`case::Case`] that is refused is sent a second time with a
//! whole request behind it, which must neither be answered nor passed on.

mod case;
mod request_line;
mod host;
mod content_length;
mod transfer_encoding;
mod chunks;
mod fields;
mod connection;
mod sequence;
mod http2;
