//! Which endpoint of an upstream gets the next attempt.
//!
//! [`endpoint`] is one instance and its shared measurements, [`selection`] narrows a set to those
//! that may be used now, [`peak_ewma`] and [`round_robin`] are the policies, a file each, and
//! [`outlier`] takes failing endpoints out for a while.
//!
//! **Architecture invariant:** nothing here does I/O, reads a clock or draws a random number: time and
//! randomness are arguments.

mod endpoint;
mod outlier;
mod peak_ewma;
mod round_robin;
mod selection;

pub(crate) use endpoint::{Endpoint, EndpointKey, InFlight, Instant};
pub(crate) use outlier::record_failure;
pub(crate) use selection::{Selection, select};
