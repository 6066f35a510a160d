//! What every request gets before anything is decided about it.
//!
//! [`layers`] is the global tower stack, [`exchange`] the record that goes from the first byte to the
//! last, [`hygiene`] refuses what RFC 9110–9113 do not allow, [`websocket`] reads who wants to leave HTTP,
//! [`cookies`] puts crumbs together, [`hop_by_hop`] and [`forwarded`] keep headers of one hop on their
//! hop, [`look_alike`] knows names that some readers take for one, [`streaming`] which exchanges last,
//! [`maintenance`] says which rows are closed, [`overload`] who is refused first, [`client_body`] is how a request's body comes, [`upload`] bounds it,
//! [`trailers`] what may come behind it, and [`progress`] notices a body that stands still.

pub(crate) mod cookies;
pub(crate) mod exchange;
pub(crate) mod forwarded;
pub(crate) mod hop_by_hop;
pub(crate) mod hygiene;
pub(crate) mod layers;
pub(crate) mod look_alike;
pub(crate) mod maintenance;
pub(crate) mod overload;
mod client_body;
mod progress;
pub(crate) mod request_id;
pub(crate) mod streaming;
pub(crate) mod trailers;
mod upload;
pub(crate) mod websocket;

pub(crate) use client_body::ClientBody;
pub(crate) use exchange::{ConnectionInfo, Exchange};
pub(crate) use progress::Progress;
pub(crate) use upload::{RequestBody, Upload, UploadFailure, UploadRules};
