//! Sockets, TLS and HTTP: how a request comes in.
//!
//! [`bind`] opens a listener's sockets for every worker, [`accept`] takes connections, [`tls`] holds the
//! certificates and changes them while running, [`connection`] speaks HTTP/1.1 or HTTP/2, [`activity`]
//! closes connections that wait too long, and [`redirect`] sends plain HTTP to HTTPS.

mod accept;
mod activity;
mod bind;
mod connection;
pub(crate) mod redirect;
mod tls;

pub(crate) use accept::{Acceptor, accept_until_drained};
pub(crate) use activity::{Activity, Answering};
pub(crate) use bind::{BindError, Bound, bind};
pub(crate) use tls::{CertificateError, Certificates, crypto_provider, read_certified_key};
