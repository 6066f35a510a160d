//! Every way in which an upstream can fail, over every protocol on either side.
//!
//! Whatever happens, the client gets a well-formed answer or a clean break, the reason stands in the log,
//! in the metric and in `X-Gateway-Error`, and nothing is left behind: no request, no permit, no
//! connection. [`server`] is the upstream that fails; a protocol more is a line of [`UPSTREAMS`], a fault
//! more is a variant of [`server::Fault`].

mod server;
mod matrix;

use server::{Tongue, Upstream};

/// The upstream's side of the matrix.
const UPSTREAMS: [Upstream; 4] = [
    Upstream::new("http1", Tongue::Http1, false),
    Upstream::new("http1-tls", Tongue::Http1, true),
    Upstream::new("http2", Tongue::Http2, false),
    Upstream::new("http2-tls", Tongue::Http2, true),
];
