//! What every request gets before anything is decided about it.
//!
//! [`layers`] is the global tower stack, [`exchange`] the record that goes from the first byte to the
//! last, [`hygiene`] refuses what RFC 9110–9113 do not allow, [`hop_by_hop`] and [`forwarded`] keep
//! headers of one hop on their hop, [`upload`] bounds the request's body, and [`progress`] notices a
//! body that stands still.

pub(crate) mod exchange;
pub(crate) mod forwarded;
pub(crate) mod hop_by_hop;
pub(crate) mod hygiene;
pub(crate) mod layers;
mod progress;
pub(crate) mod request_id;
mod upload;

pub(crate) use exchange::{ConnectionInfo, Exchange};
pub(crate) use progress::Progress;
pub(crate) use upload::{RequestBody, Upload, UploadFailure};
