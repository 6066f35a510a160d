//! Sockets, TLS and HTTP: how a request comes in.
//!
//! [`bind`] opens sockets, [`accept`] takes connections, [`proxy_protocol`] reads who the client is where
//! a balancer says so, [`tls`] holds the certificates and changes them while running, [`sniff`] tells
//! HTTP/2 from HTTP/1.1 where TLS does not, and [`connection`] speaks either. [`watched`] reports what
//! passes to [`activity`], which finds connections that keep us waiting; [`drive`] acts on it, and
//! [`parked`] lets an idle HTTP/1.1 connection hold nothing but its stream. [`frames`] counts what HTTP/2
//! clients could flood us with, [`streams`] ends HTTP/2 streams whose answers are not taken, and
//! [`redirect`] sends plain HTTP to HTTPS.

mod accept;
mod activity;
mod bind;
mod client_certificate;
mod connection;
mod drive;
mod frames;
mod parked;
mod proxy_protocol;
pub(crate) mod redirect;
mod sniff;
mod streams;
mod tls;
mod watched;

pub(crate) use accept::{Acceptor, accept_until_closed};
pub(crate) use activity::{Activity, Answering, Unread};
pub(crate) use bind::{bind, bind_more, prepare, share};
pub(crate) use client_certificate::ClientCertificate;
pub(crate) use tls::{CertificateError, Certificates, crypto_provider, read_certified_key};
