//! The smoke journey: what a visitor of the demo would try, through HTTPS, trusting `ca.pem` only.

mod journey;
mod steps;

pub(crate) use journey::walk;
