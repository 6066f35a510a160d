//! A response's body, from us or from an upstream, that closes the request's record when it ends.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use crate::cache::Tee;
use crate::defaults::{H2_HANDED_OUT_BYTES_MAX, RESPONSE_HEADER_COUNT_MAX};
use crate::edge::trailers::{self, TooMany};
use crate::edge::{Exchange, Progress};
use crate::extend::Body;
use crate::respond::compress::{Compressed, EncoderError};
use crate::respond::taken::{self, Asked};
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
    /// Collects the body for those who ask for the same.
    keep: Option<Box<Tee>>,
}

#[derive(Debug)]
enum Kind {
    Empty,
    Full(Bytes),
    /// Made by a layer of the user's.
    OfLayer(Body),
    /// Another body in a coding that the client likes.
    Compressed(Box<Compressed>),
    Streamed {
        incoming: Incoming,
        lease: Option<Lease>,
        progress: Progress,
        /// What was too much to be handed out at once.
        rest: Bytes,
    },
}

/// Why an answer broke off after its headers had gone out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the upstream broke off its answer")]
    Upstream(#[source] hyper::Error),
    #[error("the upstream's answer ends with too many fields")]
    Trailers(#[from] TooMany),
    #[error("the upstream's answer stood still")]
    Stalled,
    #[error("a layer broke off the answer")]
    Layer(#[source] tower::BoxError),
    #[error("the answer could not be compressed")]
    Encoder(#[from] EncoderError),
}

impl BodyError {
    /// The failure's code in log and metrics.
    fn code(&self) -> &'static str {
        match self {
            Self::Upstream(_) | Self::Trailers(_) | Self::Layer(_) => "upstream_body_broken",
            Self::Stalled => "upstream_body_stalled",
            Self::Encoder(_) => "compression_failed",
        }
    }
}

impl ResponseBody {
    pub(crate) fn empty() -> Self {
        Self {
            kind: Kind::Empty,
            exchange: None,
            keep: None,
        }
    }

    pub(crate) fn full(bytes: Bytes) -> Self {
        Self {
            kind: Kind::Full(bytes),
            exchange: None,
            keep: None,
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
                rest: Bytes::new(),
            },
            exchange: None,
            keep: None,
        }
    }

    /// Carries what a layer of the user's has made.
    pub(crate) fn of_layer(body: Body) -> Self {
        Self {
            kind: Kind::OfLayer(body),
            exchange: None,
            keep: None,
        }
    }

    pub(crate) fn compressed(compressed: Compressed) -> Self {
        Self {
            kind: Kind::Compressed(Box::new(compressed)),
            exchange: None,
            keep: None,
        }
    }

    /// Attaches the record that ends with this body.
    pub(crate) fn recording(mut self, exchange: Box<Exchange>) -> Self {
        self.exchange = Some(exchange);
        self
    }

    /// Has the body kept as it passes by.
    pub(crate) fn keeping(mut self, tee: Box<Tee>) -> Self {
        if self.is_end_stream() {
            tee.end();
        } else {
            self.keep = Some(tee);
        }
        self
    }

    /// Shows what has been polled to the one who keeps it.
    fn keep(&mut self, polled: &Poll<Option<Result<Frame<Bytes>, BodyError>>>) {
        let Some(mut tee) = self.keep.take() else {
            return;
        };
        let goes_on = match polled {
            Poll::Pending => true,
            Poll::Ready(None) => return tee.end(),
            // Trailers would have to be kept too, and nobody asks for that.
            Poll::Ready(Some(Ok(frame))) => frame.data_ref().is_some_and(|data| tee.pass(data)),
            Poll::Ready(Some(Err(_))) => false,
        };
        if !goes_on {
            return;
        }
        // Whoever sees the end ahead does not ask for more.
        if self.is_end_stream() {
            tee.end();
        } else {
            self.keep = Some(tee);
        }
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
            rest,
        } = &mut self.kind
        else {
            return Poll::Ready(None);
        };
        if !rest.is_empty() {
            let piece = first_piece(rest);
            self.count(piece.len());
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match Pin::new(&mut *incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(mut frame))) => {
                progress.made();
                if let Some(trailers) = frame.trailers_mut()
                    && let Err(error) = trailers::clean(trailers, RESPONSE_HEADER_COUNT_MAX)
                {
                    drop(lease.take());
                    self.fail("upstream_body_broken");
                    return Poll::Ready(Some(Err(error.into())));
                }
                // Nothing comes behind trailers, and nobody asks for it.
                if (frame.is_trailers() || incoming.is_end_stream())
                    && let Some(lease) = lease.take()
                {
                    lease.give_back();
                }
                let frame = frame.map_data(|mut data| {
                    let piece = first_piece(&mut data);
                    *rest = data;
                    piece
                });
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

/// Takes from `data` what is handed out at once: a client's progress is seen by the pieces that it
/// takes. Nothing is copied.
fn first_piece(data: &mut Bytes) -> Bytes {
    data.split_to(data.len().min(H2_HANDED_OUT_BYTES_MAX))
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = self.poll_kind(cx);
        if self.keep.is_some() {
            self.keep(&polled);
        }
        taken::note(match &polled {
            Poll::Ready(_) => Asked::HandedOut,
            Poll::Pending => Asked::Waiting,
        });
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Full(bytes) => bytes.is_empty(),
            Kind::OfLayer(body) => body.is_end_stream(),
            Kind::Compressed(body) => body.is_done(),
            Kind::Streamed { incoming, rest, .. } => rest.is_empty() && incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::OfLayer(body) => body.size_hint(),
            Kind::Compressed(_) => SizeHint::new(),
            Kind::Streamed { incoming, rest, .. } => {
                let (to_come, here) = (incoming.size_hint(), rest.len() as u64);
                let mut hint = SizeHint::new();
                hint.set_lower(to_come.lower().saturating_add(here));
                if let Some(upper) = to_come.upper() {
                    hint.set_upper(upper.saturating_add(here));
                }
                hint
            }
        }
    }
}

impl ResponseBody {
    fn poll_kind(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
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
            Kind::Compressed(body) => {
                let polled = body.poll_frame(cx);
                match &polled {
                    Poll::Ready(Some(Ok(frame))) => {
                        self.count(frame.data_ref().map_or(0, Bytes::len));
                    }
                    // The body within has no record to say it in.
                    Poll::Ready(Some(Err(error))) => self.fail(error.code()),
                    _ => {}
                }
                polled
            }
            Kind::Streamed { .. } => self.poll_streamed(cx),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // A stream dropped before its end, without an error of the upstream: the client has left, or was
        // given up.
        let unread = match &self.kind {
            Kind::Streamed {
                incoming,
                lease,
                rest,
                ..
            } => !rest.is_empty() || (lease.is_some() && !incoming.is_end_stream()),
            Kind::Full(bytes) => taken::is_given_up() && !bytes.is_empty(),
            Kind::OfLayer(body) => !body.is_end_stream(),
            Kind::Compressed(body) => !body.is_done(),
            Kind::Empty => taken::is_given_up(),
        };
        if let Some(exchange) = &mut self.exchange
            && unread
            && exchange.failure.is_none()
        {
            exchange.failure = Some(if taken::is_given_up() {
                "client_stalled"
            } else {
                "client_aborted"
            });
        }
    }
}
