//! A response's body, from us or from an upstream, that closes the request's record when it ends.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use crate::edge::{Exchange, Progress, trailers};
use crate::extend::Body;
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
}

#[derive(Debug)]
enum Kind {
    Empty,
    Full(Bytes),
    /// Made by a layer of the user's.
    OfLayer(Body),
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
    #[error("a layer broke off the answer")]
    Layer(#[source] tower::BoxError),
}

impl ResponseBody {
    pub(crate) fn empty() -> Self {
        Self {
            kind: Kind::Empty,
            exchange: None,
        }
    }

    pub(crate) fn full(bytes: Bytes) -> Self {
        Self {
            kind: Kind::Full(bytes),
            exchange: None,
        }
    }

    /// Streams an upstream's answer. A body that has ended already gives its connection back at once.
    pub(crate) fn streamed(incoming: Incoming, lease: Lease, progress: Progress) -> Self {
        if incoming.is_end_stream() {
            lease.give_back();
            return Self::empty();
        }
        Self {
            kind: Kind::Streamed {
                incoming,
                lease: Some(lease),
                progress,
            },
            exchange: None,
        }
    }

    /// Carries what a layer of the user's has made.
    pub(crate) fn of_layer(body: Body) -> Self {
        Self {
            kind: Kind::OfLayer(body),
            exchange: None,
        }
    }

    /// Attaches the record that ends with this body.
    pub(crate) fn recording(mut self, exchange: Box<Exchange>) -> Self {
        self.exchange = Some(exchange);
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
                if incoming.is_end_stream()
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

impl HttpBody for ResponseBody {
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
            Kind::OfLayer(body) => {
                let polled = Pin::new(body).poll_frame(cx);
                match &polled {
                    Poll::Ready(Some(Ok(frame))) => {
                        self.count(frame.data_ref().map_or(0, Bytes::len));
                    }
                    Poll::Ready(Some(Err(_))) => self.fail("upstream_body_broken"),
                    _ => {}
                }
                polled.map_err(BodyError::Layer)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Full(bytes) => bytes.is_empty(),
            Kind::OfLayer(body) => body.is_end_stream(),
            Kind::Streamed { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::OfLayer(body) => body.size_hint(),
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
