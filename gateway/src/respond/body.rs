//! A response's body, from us or from an upstream, that closes the request's record when it ends.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::edge::{Exchange, Progress, trailers};
use crate::listener::Answering;
use crate::upstream::Lease;

/// The body of every response that leaves the gateway.
///
/// It owns the request's [`Exchange`], so that the access log and the metrics see the whole answer,
/// and the upstream connection's [`Lease`], so that the connection goes back to its pool only when the
/// answer was read to its end.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    kind: Kind,
    exchange: Option<Box<Exchange>>,
    /// Tells the client's connection when it is idle again.
    answering: Option<Answering>,
}

#[derive(Debug)]
enum Kind {
    Empty,
    Full(Bytes),
    Streamed {
        incoming: Incoming,
        lease: Option<Lease>,
        progress: Progress,
    },
}

/// Why an answer broke off after its headers had gone out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the upstream broke off its answer")]
    Upstream(#[source] hyper::Error),
    #[error("the upstream's answer stood still")]
    Stalled,
}

impl ResponseBody {
    pub(crate) fn empty() -> Self {
        Self {
            kind: Kind::Empty,
            exchange: None,
            answering: None,
        }
    }

    pub(crate) fn full(bytes: Bytes) -> Self {
        Self {
            kind: Kind::Full(bytes),
            exchange: None,
            answering: None,
        }
    }

    /// Streams an upstream's answer. A body that has ended already gives its connection back at once.
    pub(crate) fn streamed(incoming: Incoming, lease: Lease) -> Self {
        if incoming.is_end_stream() {
            lease.give_back();
            return Self::empty();
        }
        Self {
            kind: Kind::Streamed {
                incoming,
                lease: Some(lease),
                progress: Progress::new(),
            },
            exchange: None,
            answering: None,
        }
    }

    /// Attaches the record that ends with this body.
    pub(crate) fn recording(mut self, exchange: Box<Exchange>) -> Self {
        self.exchange = Some(exchange);
        self
    }

    /// Attaches the client connection's guard.
    pub(crate) fn answering(mut self, answering: Answering) -> Self {
        self.answering = Some(answering);
        self
    }

    fn count(&mut self, bytes: usize) {
        if let Some(exchange) = &mut self.exchange {
            exchange.bytes_out += bytes as u64;
        }
    }

    fn fail(&mut self, code: &'static str) {
        if let Some(exchange) = &mut self.exchange {
            exchange.failure = Some(code);
        }
    }

    /// Reads on from the upstream.
    fn poll_streamed(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Kind::Streamed {
            incoming,
            lease,
            progress,
        } = &mut self.kind
        else {
            return Poll::Ready(None);
        };
        match Pin::new(&mut *incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(mut frame))) => {
                progress.made();
                if let Some(trailers) = frame.trailers_mut() {
                    trailers::clean(trailers);
                }
                // Nothing comes behind trailers, and nobody asks for it.
                if (frame.is_trailers() || incoming.is_end_stream())
                    && let Some(lease) = lease.take()
                {
                    lease.give_back();
                }
                self.count(frame.data_ref().map_or(0, Bytes::len));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                drop(lease.take());
                self.fail("upstream_body_broken");
                Poll::Ready(Some(Err(BodyError::Upstream(error))))
            }
            Poll::Ready(None) => {
                if let Some(lease) = lease.take() {
                    lease.give_back();
                }
                Poll::Ready(None)
            }
            Poll::Pending if progress.poll_stalled(cx).is_ready() => {
                drop(lease.take());
                self.fail("upstream_body_stalled");
                Poll::Ready(Some(Err(BodyError::Stalled)))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.kind {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.kind = Kind::Empty;
                if bytes.is_empty() {
                    return Poll::Ready(None);
                }
                self.count(bytes.len());
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Kind::Streamed { .. } => self.poll_streamed(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Full(bytes) => bytes.is_empty(),
            Kind::Streamed { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Streamed { incoming, .. } => incoming.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // A stream dropped before its end, without an error of the upstream: the client has left.
        let unread = matches!(&self.kind, Kind::Streamed { incoming, lease: Some(_), .. } if !incoming.is_end_stream());
        if let Some(exchange) = &mut self.exchange
            && unread
            && exchange.failure.is_none()
        {
            exchange.failure = Some("client_aborted");
        }
    }
}
