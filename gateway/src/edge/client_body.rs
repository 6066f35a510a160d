//! A client's body as the HTTP library hands it over.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::runtime::Handle;

use crate::defaults::{LINGER_BYTES_MAX, LINGER_TIMEOUT};
use crate::listener::Unread;

/// Dropped before its end, it goes on being read for a while, into nothing.
///
/// A client that is still sending when it is answered (413, 401, an upstream that wants no more) would
/// otherwise find its connection reset, and many read no answer then. nginx calls this a lingering close.
#[derive(Debug)]
pub(crate) struct ClientBody(Option<Reading>);

#[derive(Debug)]
struct Reading {
    incoming: Incoming,
    /// Tells an HTTP/1.1 connection that nothing of the body is left on it.
    unread: Option<Unread>,
}

impl ClientBody {
    pub(crate) fn new(incoming: Incoming, unread: Option<Unread>) -> Self {
        Self(Some(Reading { incoming, unread }))
    }
}

impl Reading {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if self.unread.is_some() {
            let ended = match &polled {
                Poll::Ready(None) => true,
                // Nobody may ask for more.
                Poll::Ready(Some(Ok(frame))) => {
                    frame.is_trailers() || self.incoming.is_end_stream()
                }
                Poll::Ready(Some(Err(_))) | Poll::Pending => false,
            };
            if let Some(unread) = self.unread.take_if(|_| ended) {
                unread.ended();
            }
        }
        polled
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(reading) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let polled = reading.poll_frame(cx);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            // There is nothing left to linger for.
            self.0 = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let reading = self.0.as_ref();
        reading.is_none_or(|reading| reading.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let none = || SizeHint::with_exact(0);
        let reading = self.0.as_ref();
        reading.map_or_else(none, |reading| reading.incoming.size_hint())
    }
}

impl Drop for ClientBody {
    fn drop(&mut self) {
        let unread = self.0.take();
        let unread = unread.filter(|reading| !reading.incoming.is_end_stream());
        if let (Some(reading), Ok(runtime)) = (unread, Handle::try_current()) {
            runtime.spawn(linger(reading));
        }
    }
}

/// Reads on until the client has sent all, or more than it should, or for too long.
async fn linger(mut body: Reading) {
    let reading = async {
        let mut left = LINGER_BYTES_MAX;
        while let Some(Ok(frame)) = poll_fn(|cx| body.poll_frame(cx)).await {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(bytes) {
                Some(less) => left = less,
                None => return,
            }
        }
    };
    // Either way it is over.
    let _ = tokio::time::timeout(LINGER_TIMEOUT, reading).await;
}
