//! What went wrong with a request that had been sent.

use std::error::Error;
use std::io;

use crate::upstream::unusable::Unusable;

/// Why a request that went out, at least in part, got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection or the stream broke.
    Reset,
    /// What came back is no HTTP.
    Malformed,
    /// What came back is not passed on, and is no failure of the endpoint's.
    Unusable(Unusable),
    /// The endpoint does not trust us: in TLS 1.3 that is heard after the request has gone out. It was
    /// not looked at.
    Untrusted,
    /// The endpoint said that it has not looked at the request (RFC 9113, sections 6.8 and 8.7): it
    /// may be sent again whatever its method, as far as its body can be had again.
    Refused,
}

impl Fault {
    /// Whether the endpoint has not looked at the request: it may go anywhere, whatever its method.
    pub(super) fn is_unprocessed(self) -> bool {
        matches!(self, Self::Refused | Self::Untrusted)
    }

    pub(super) fn of(error: &hyper::Error) -> Self {
        if error.is_parse_too_large() {
            return Self::Unusable(Unusable::TooLarge);
        }
        if error.is_parse() {
            return Self::Malformed;
        }
        let mut source = error.source();
        while let Some(cause) = source {
            if let Some(error) = cause.downcast_ref::<h2::Error>() {
                return Self::of_h2(error);
            }
            if let Some(error) = cause.downcast_ref::<io::Error>() {
                return Self::of_io(error);
            }
            source = cause.source();
        }
        Self::Reset
    }

    fn of_h2(error: &h2::Error) -> Self {
        if let Some(error) = error.get_io() {
            return Self::of_io(error);
        }
        if error.is_library() && error.is_reset() {
            return Self::Unusable(Unusable::Head);
        }
        if error.is_library() {
            return Self::Malformed;
        }
        // A stream fails by the peer's GOAWAY only if it lies beyond the last one that was processed.
        let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM) || error.is_go_away();
        if error.is_remote() && refused {
            return Self::Refused;
        }
        Self::Reset
    }

    /// Data that could not be understood, by what watches the socket or by TLS.
    fn of_io(error: &io::Error) -> Self {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        match (cause, error.kind()) {
            (Some(rustls::Error::AlertReceived(_)), _) => Self::Untrusted,
            (_, io::ErrorKind::InvalidData) => Self::Malformed,
            _ => Self::Reset,
        }
    }
}
