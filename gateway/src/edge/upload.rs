//! The request's body on its way to the upstream: counted, limited, watched for standstill, and small
//! ones remembered.
//!
//! When sending a request fails, the cause may be the client's body rather than the upstream. The
//! body therefore reads from an [`Upload`] that the pipeline keeps, and leaves a note there. As long as
//! what has been read fits the replay buffer, another attempt can read it again from the beginning.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;

use crate::defaults::{HEADER_COUNT_MAX, REPLAY_BYTES_MAX};
use crate::edge::{Progress, trailers};
use crate::extend::Body as ClientBody;
use crate::mirror::Tee;
use crate::routing::Snapshot;

/// What becomes of a request's body, as seen from outside it.
#[derive(Debug)]
pub(crate) struct Upload {
    bytes: AtomicU64,
    failure: AtomicU8,
    ended: AtomicBool,
    /// Locked by one connection's task at a time: there is never anybody to wait for.
    source: Mutex<Source>,
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
    /// Another attempt reads it now.
    #[error("the request's body is sent by another attempt")]
    Superseded = 4,
}

/// How a request's body is to be treated.
#[derive(Debug)]
pub(crate) struct UploadRules {
    pub(crate) limit_bytes: u64,
    /// Whether another attempt may want to read it again.
    pub(crate) replay: bool,
    pub(crate) progress: Progress,
    /// Knows what may not stand in trailers.
    pub(crate) snapshot: Arc<Snapshot>,
    /// Keeps it for a mirror.
    pub(crate) copy: Option<Tee>,
}

/// Where the body comes from, and what of it is remembered.
#[derive(Debug)]
struct Source {
    incoming: ClientBody,
    rules: UploadRules,
    /// The attempt that may read; those before it are over.
    attempt: u32,
    /// All that was read, as long as it is little; `None` once it was too much.
    remembered: Option<Vec<Bytes>>,
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

    /// The same body for another attempt; `None` when too much of it has been read to be remembered.
    pub(crate) fn again(self: &Arc<Self>) -> Option<RequestBody> {
        let mut source = self.source.lock();
        source.remembered.as_ref()?;
        source.attempt += 1;
        Some(RequestBody(Some(Reading {
            upload: Arc::clone(self),
            attempt: source.attempt,
            replayed: 0,
        })))
    }

    fn fail(&self, failure: UploadFailure) -> UploadFailure {
        self.failure.store(failure as u8, Ordering::Relaxed);
        failure
    }
}

/// A request's body as an upstream's connection reads it.
#[derive(Debug)]
pub(crate) struct RequestBody(Option<Reading>);

#[derive(Debug)]
struct Reading {
    upload: Arc<Upload>,
    attempt: u32,
    /// Pieces of what is remembered that this attempt has had.
    replayed: usize,
}

impl RequestBody {
    pub(crate) fn empty() -> Self {
        Self(None)
    }

    /// Wraps a body that is read while it is sent on. Returns the note it leaves behind; `None` when
    /// there is no body.
    pub(crate) fn new(incoming: ClientBody, rules: UploadRules) -> (Self, Option<Arc<Upload>>) {
        if incoming.is_end_stream() {
            if let Some(copy) = rules.copy {
                copy.end();
            }
            return (Self::empty(), None);
        }
        let remembered = rules.replay.then(Vec::new);
        let upload = Arc::new(Upload {
            bytes: AtomicU64::new(0),
            failure: AtomicU8::new(0),
            ended: AtomicBool::new(false),
            source: Mutex::new(Source {
                incoming,
                rules,
                attempt: 0,
                remembered,
            }),
        });
        let reading = Reading {
            upload: Arc::clone(&upload),
            attempt: 0,
            replayed: 0,
        };
        (Self(Some(reading)), Some(upload))
    }
}

impl Source {
    /// Takes the next frame from the client.
    fn take(
        &mut self,
        mut frame: Frame<Bytes>,
        upload: &Upload,
    ) -> Result<Frame<Bytes>, UploadFailure> {
        self.rules.progress.made();
        if let Some(trailers) = frame.trailers_mut() {
            if trailers::clean(trailers, HEADER_COUNT_MAX).is_err() {
                return Err(upload.fail(UploadFailure::Broken));
            }
            let authenticators = &self.rules.snapshot.authenticators;
            authenticators.strip_identity_headers(trailers);
            self.remembered = None;
        }
        let len = frame.data_ref().map_or(0, Bytes::len);
        let total = upload.bytes.fetch_add(len as u64, Ordering::Relaxed) + len as u64;
        if total > self.rules.limit_bytes {
            return Err(upload.fail(UploadFailure::TooLarge));
        }
        if let (Some(copy), Some(data)) = (&mut self.rules.copy, frame.data_ref()) {
            copy.pass(data);
        }
        if let (Some(remembered), Some(data)) = (&mut self.remembered, frame.data_ref()) {
            if total <= REPLAY_BYTES_MAX {
                remembered.push(data.clone());
            } else {
                self.remembered = None;
            }
        }
        // Nothing comes behind trailers, and nobody asks for it.
        if frame.is_trailers() || self.incoming.is_end_stream() {
            self.end(upload);
        }
        Ok(frame)
    }

    fn end(&mut self, upload: &Upload) {
        upload.ended.store(true, Ordering::Relaxed);
        if let Some(copy) = self.rules.copy.take() {
            copy.end();
        }
    }
}

impl Reading {
    /// What the client has sent before, and this attempt has not yet had.
    fn rest<'s>(&self, source: &'s Source) -> &'s [Bytes] {
        let remembered = source.remembered.as_deref().unwrap_or_default();
        remembered.get(self.replayed..).unwrap_or_default()
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
        let upload = Arc::clone(&reading.upload);
        let mut source = upload.source.lock();
        if source.attempt != reading.attempt {
            return Poll::Ready(Some(Err(UploadFailure::Superseded)));
        }
        if let Some(data) = reading.rest(&source).first() {
            reading.replayed += 1;
            return Poll::Ready(Some(Ok(Frame::data(data.clone()))));
        }
        match Pin::new(&mut source.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                reading.replayed += 1;
                Poll::Ready(Some(source.take(frame, &upload)))
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(upload.fail(UploadFailure::Broken)))),
            Poll::Ready(None) => {
                source.end(&upload);
                Poll::Ready(None)
            }
            Poll::Pending if source.rules.progress.poll_stalled(cx).is_ready() => {
                Poll::Ready(Some(Err(upload.fail(UploadFailure::Stalled))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|reading| {
            let source = reading.upload.source.lock();
            reading.rest(&source).is_empty() && source.incoming.is_end_stream()
        })
    }

    fn size_hint(&self) -> SizeHint {
        let Some(reading) = &self.0 else {
            return SizeHint::with_exact(0);
        };
        let source = reading.upload.source.lock();
        let again: usize = reading.rest(&source).iter().map(Bytes::len).sum();
        let to_come = source.incoming.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(to_come.lower() + again as u64);
        if let Some(upper) = to_come.upper() {
            hint.set_upper(upper + again as u64);
        }
        hint
    }
}
