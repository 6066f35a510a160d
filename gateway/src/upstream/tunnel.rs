//! Carries bytes both ways once client and upstream have left HTTP.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};

use crate::defaults::{STREAM_IDLE_TIMEOUT, SWITCH_TIMEOUT, TUNNEL_BUFFER_BYTES};
use crate::edge::Exchange;
use crate::upstream::Lease;

/// Both sides have agreed to switch; neither may have done so yet.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) client: OnUpgrade,
    pub(crate) upstream: OnUpgrade,
    /// Counts as a request in flight, and is never given back: the connection, or its stream, is no
    /// longer HTTP.
    pub(crate) lease: Lease,
}

impl Tunnel {
    /// Runs until both sides have closed, one of them breaks off, or nothing has moved for too long.
    /// The exchange's record ends with it.
    pub(crate) async fn run(self, mut exchange: Box<Exchange>) {
        let Self {
            client,
            upstream,
            lease,
        } = self;
        let switched = async { tokio::try_join!(client, upstream) };
        let switched = tokio::time::timeout(SWITCH_TIMEOUT, switched).await;
        let Ok(Ok((client, upstream))) = switched else {
            exchange.failure = Some("client_aborted");
            return;
        };
        let moved = Arc::new(Moved::default());
        let mut client = Counted::new(client, Arc::clone(&moved));
        let mut upstream = TokioIo::new(upstream);
        let copying = copy_bidirectional_with_sizes(
            &mut client,
            &mut upstream,
            TUNNEL_BUFFER_BYTES,
            TUNNEL_BUFFER_BYTES,
        );
        tokio::select! {
            // How it ended concerns the two sides: a broken connection is how many a socket closes.
            _ = copying => drop(lease),
            () = moved.stands_still() => {
                exchange.failure = Some("tunnel_idle");
                lease.abandon();
            }
        }
        exchange.tunnelled(
            moved.from_client.load(Ordering::Relaxed),
            moved.to_client.load(Ordering::Relaxed),
        );
    }
}

/// Bytes that have passed.
#[derive(Debug, Default)]
struct Moved {
    from_client: AtomicU64,
    to_client: AtomicU64,
}

impl Moved {
    fn total(&self) -> u64 {
        self.from_client.load(Ordering::Relaxed) + self.to_client.load(Ordering::Relaxed)
    }

    /// Completes when not a byte has passed either way for a whole period.
    async fn stands_still(&self) {
        loop {
            let before = self.total();
            tokio::time::sleep(STREAM_IDLE_TIMEOUT).await;
            if self.total() == before {
                return;
            }
        }
    }
}

/// The client's side, which counts what passes.
struct Counted {
    inner: TokioIo<Upgraded>,
    moved: Arc<Moved>,
}

impl Counted {
    fn new(inner: Upgraded, moved: Arc<Moved>) -> Self {
        Self {
            inner: TokioIo::new(inner),
            moved,
        }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.inner).poll_read(cx, buffer);
        let read = (buffer.filled().len() - before) as u64;
        self.moved.from_client.fetch_add(read, Ordering::Relaxed);
        outcome
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = &outcome {
            let written = *written as u64;
            self.moved.to_client.fetch_add(written, Ordering::Relaxed);
        }
        outcome
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
