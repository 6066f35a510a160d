//! HTTP/2 by the letter: the cases of `h2spec`, in the order of RFC 9113 and RFC 7541, each on a connection
//! of its own over TLS, and after each of them the next client is served.
//!
//! What concerns the fields of one message is in `framing::http2`, floods are in `h2_abuse`.

mod case;
mod connection;
mod streams;
mod frames;
mod flow_control;
mod hpack;
