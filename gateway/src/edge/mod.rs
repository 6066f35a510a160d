//! What every request gets before anything is decided about it.
//!
//! [`layers`] is the global tower stack, [`exchange`] the record that goes from the first byte to the
//! last, [`hygiene`] refuses what RFC 9110–9113 do not allow, [`hop_by_hop`] and [`forwarded`] keep
//! headers of one hop on their hop, [`upload`] bounds the request's body, [`progress`] notices a body
//! that stands still, [`trailers`] are cleaned, and [`websocket`] reads who wants to leave HTTP.

pub(crate) mod exchange;
pub(crate) mod forwarded;
pub(crate) mod hop_by_hop;
pub(crate) mod hygiene;
pub(crate) mod layers;
pub(crate) mod overload;
mod progress;
pub(crate) mod request_id;
pub(crate) mod streaming;
pub(crate) mod trailers;
mod upload;
pub(crate) mod websocket;

pub(crate) use exchange::{ConnectionInfo, Exchange};
pub(crate) use progress::Progress;
pub(crate) use upload::{RequestBody, Upload, UploadFailure, UploadRules};
