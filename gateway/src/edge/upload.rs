//! The request's body on its way to the upstream: counted, limited, watched for standstill.
//!
//! When sending a request fails, the cause may be the client's body rather than the upstream. The
//! body therefore leaves a note in an [`Upload`] that the pipeline keeps.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::edge::Progress;

/// What became of a request's body, as seen from outside it.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    bytes: AtomicU64,
    failure: AtomicU8,
    ended: AtomicBool,
}

/// Why a request's body broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[repr(u8)]
pub(crate) enum UploadFailure {
    #[error("the request's body is larger than allowed")]
    TooLarge = 1,
    #[error("the request's body ended early or is framed wrongly")]
    Broken = 2,
    #[error("the request's body stopped arriving")]
    Stalled = 3,
}

impl Upload {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether the body was read to its end.
    pub(crate) fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    pub(crate) fn failure(&self) -> Option<UploadFailure> {
        match self.failure.load(Ordering::Relaxed) {
            1 => Some(UploadFailure::TooLarge),
            2 => Some(UploadFailure::Broken),
            3 => Some(UploadFailure::Stalled),
            _ => None,
        }
    }

    fn fail(&self, failure: UploadFailure) -> UploadFailure {
        self.failure.store(failure as u8, Ordering::Relaxed);
        failure
    }
}

/// A request's body as the upstream's connection reads it.
#[derive(Debug)]
pub(crate) struct RequestBody(Option<Reading>);

#[derive(Debug)]
struct Reading {
    incoming: Incoming,
    limit_bytes: u64,
    upload: Arc<Upload>,
    progress: Progress,
}

impl RequestBody {
    pub(crate) fn empty() -> Self {
        Self(None)
    }

    /// Wraps a body that is read while it is sent on. Returns the note it leaves behind; `None` when
    /// there is no body.
    pub(crate) fn new(
        incoming: Incoming,
        limit_bytes: u64,
        progress: Progress,
    ) -> (Self, Option<Arc<Upload>>) {
        if incoming.is_end_stream() {
            return (Self::empty(), None);
        }
        let upload = Arc::new(Upload::default());
        let reading = Reading {
            incoming,
            limit_bytes,
            upload: Arc::clone(&upload),
            progress,
        };
        (Self(Some(reading)), Some(upload))
    }
}

impl Reading {
    fn take(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, UploadFailure> {
        self.progress.made();
        let len = frame.data_ref().map_or(0, Bytes::len) as u64;
        let total = self.upload.bytes.fetch_add(len, Ordering::Relaxed) + len;
        if total > self.limit_bytes {
            return Err(self.upload.fail(UploadFailure::TooLarge));
        }
        if self.incoming.is_end_stream() {
            self.upload.ended.store(true, Ordering::Relaxed);
        }
        Ok(frame)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = UploadFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadFailure>>> {
        let Some(reading) = &mut self.0 else {
            return Poll::Ready(None);
        };
        match Pin::new(&mut reading.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(reading.take(frame))),
            Poll::Ready(Some(Err(_))) => {
                Poll::Ready(Some(Err(reading.upload.fail(UploadFailure::Broken))))
            }
            Poll::Ready(None) => {
                reading.upload.ended.store(true, Ordering::Relaxed);
                Poll::Ready(None)
            }
            Poll::Pending if reading.progress.poll_stalled(cx).is_ready() => {
                Poll::Ready(Some(Err(reading.upload.fail(UploadFailure::Stalled))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|reading| reading.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(
            || SizeHint::with_exact(0),
            |reading| reading.incoming.size_hint(),
        )
    }
}
