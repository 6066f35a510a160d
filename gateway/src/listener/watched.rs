//! A client's connection that reports what passes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::listener::activity::Activity;
use crate::listener::frames::{FrameMeter, Offence};

/// What a client's stream can do besides being read and written.
pub(super) trait ClientStream {
    /// Makes closing it a reset, so that nothing waits in the kernel for its client.
    fn reset_on_close(&self);

    /// Waits, without reading, until there may be something to read, be it the end.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()>;
}

impl ClientStream for TcpStream {
    fn reset_on_close(&self) {
        // A socket that refuses is closed in the orderly way.
        let _ = self.set_zero_linger();
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        // Whoever reads next finds out about an error.
        self.poll_read_ready(cx).map(|_| ())
    }
}

impl<S: ClientStream> ClientStream for TlsStream<S> {
    fn reset_on_close(&self) {
        self.get_ref().0.reset_on_close();
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let (socket, session) = self.get_ref();
        // It would not while it holds something that nobody has read.
        if !session.wants_read() {
            return Poll::Ready(());
        }
        socket.poll_readable(cx)
    }
}

impl<S: ClientStream> ClientStream for Box<S> {
    fn reset_on_close(&self) {
        (**self).reset_on_close();
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        (**self).poll_readable(cx)
    }
}

/// A stream that tells an [`Activity`] of reads and of writes that have to wait, and, on HTTP/2, ends
/// the connection of a client that floods it.
#[derive(Debug)]
pub(crate) struct Watched<S: ClientStream> {
    stream: S,
    activity: Arc<Activity>,
    frames: Option<Box<FrameMeter>>,
    /// All frames that were written are complete: another one may follow.
    between_frames: bool,
    /// Read before, and to be read again.
    put_back: Bytes,
}

impl<S: ClientStream> Drop for Watched<S> {
    fn drop(&mut self) {
        // An orderly close would leave megabytes in the kernel, for minutes, for a client that takes
        // none of it. Amid a write nothing is orderly any more: the end of a WebSocket that stands still,
        // or of a drain.
        if self.activity.is_given_up() || self.activity.is_blocked() {
            self.stream.reset_on_close();
        }
    }
}

impl<S: ClientStream> Watched<S> {
    pub(super) fn http1(stream: S, activity: Arc<Activity>) -> Self {
        Self {
            stream,
            activity,
            frames: None,
            between_frames: false,
            put_back: Bytes::new(),
        }
    }

    /// `meter` follows what the client sends.
    pub(super) fn http2(stream: S, activity: Arc<Activity>, meter: FrameMeter) -> Self {
        activity.amid_head(meter.is_amid_head());
        Self {
            stream,
            activity,
            frames: Some(Box::new(meter)),
            between_frames: false,
            put_back: Bytes::new(),
        }
    }

    /// Gives back what was read and not used; nothing else may be left of what was given back before.
    pub(super) fn put_back(&mut self, bytes: Bytes) {
        self.put_back = bytes;
    }

    /// Waits until there may be something to read.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.put_back.is_empty() {
            return Poll::Ready(());
        }
        self.stream.poll_readable(cx)
    }

    /// Reads what was given back, or else from the stream.
    fn poll_read_next(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>>
    where
        S: AsyncRead + Unpin,
    {
        if self.put_back.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let count = buffer.remaining().min(self.put_back.len());
        buffer.put_slice(&self.put_back.split_to(count));
        Poll::Ready(Ok(()))
    }

    /// Looks at what was read.
    fn received(&mut self, bytes: &[u8]) -> Result<(), Offence> {
        let Some(frames) = &mut self.frames else {
            self.activity.received();
            return Ok(());
        };
        let clock = self.activity.clock();
        frames.received(bytes, || clock.now())?;
        self.activity.amid_head(frames.is_amid_head());
        Ok(())
    }

    fn wrote(&mut self, outcome: &Poll<io::Result<usize>>) {
        self.between_frames = false;
        self.activity.wrote(outcome.is_pending());
        if let (Poll::Ready(Ok(count)), Some(frames)) = (outcome, &mut self.frames) {
            frames.sent(*count);
        }
    }
}

impl<S: AsyncWrite + ClientStream + Unpin> Watched<S> {
    /// Says why the connection ends, if a frame may be written now. Whoever floods us may not take it:
    /// it is written once, and not waited for.
    fn say_farewell(&mut self, offence: Offence, cx: &mut Context<'_>) {
        let Some(frames) = self.frames.as_ref().filter(|_| self.between_frames) else {
            return;
        };
        let farewell = frames.farewell(offence);
        if let Poll::Ready(Ok(_)) = Pin::new(&mut self.stream).poll_write(cx, &farewell) {
            let _ = Pin::new(&mut self.stream).poll_flush(cx);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + ClientStream + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = self.poll_read_next(cx, buffer);
        match buffer.filled().get(before..) {
            Some(fresh) if !fresh.is_empty() => {
                if let Err(offence) = self.received(fresh) {
                    self.activity.offended(offence);
                    self.say_farewell(offence, cx);
                    return Poll::Ready(Err(io::Error::other(offence)));
                }
            }
            _ => {}
        }
        outcome
    }
}

impl<S: AsyncWrite + ClientStream + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(&outcome);
        outcome
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Whoever flushes has handed over all it had.
        self.between_frames = true;
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.activity.wrote(outcome.is_pending());
        outcome
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.activity.wrote(outcome.is_pending());
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.wrote(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use route_table::table::ListenerTimeouts;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::state::Clock;

    const TIMEOUTS: ListenerTimeouts = ListenerTimeouts {
        header: Duration::from_secs(10),
        idle: Duration::from_secs(75),
        body: Duration::from_secs(60),
    };

    /// A connection of which our side is watched.
    async fn pair() -> (Watched<TcpStream>, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (stream, _) = accepted.expect("a connection");
        let activity = Activity::new(Clock::start(), TIMEOUTS);
        (
            Watched::http1(stream, activity),
            client.expect("a listener"),
        )
    }

    async fn how_it_ends(mut client: TcpStream) -> io::Result<usize> {
        let mut rest = Vec::new();
        let reading = client.read_to_end(&mut rest);
        let ended = tokio::time::timeout(Duration::from_secs(10), reading).await;
        ended.expect("an end")
    }

    #[tokio::test]
    async fn a_connection_that_is_dropped_amid_a_write_is_reset() {
        let (mut watched, client) = pair().await;
        let endless = async { while watched.write_all(&[0; 65_536]).await.is_ok() {} };
        let filling = tokio::time::timeout(Duration::from_millis(200), endless);
        filling.await.expect_err("nobody reads");
        drop(watched);
        let end = how_it_ends(client).await.expect_err("a reset");
        assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_connection_that_has_said_everything_is_closed_in_the_orderly_way() {
        let (mut watched, client) = pair().await;
        watched.write_all(b"everything").await.expect("room");
        drop(watched);
        assert_eq!(how_it_ends(client).await.expect("an end"), 10);
    }

    #[tokio::test]
    async fn what_is_put_back_is_read_first() {
        let (mut watched, mut client) = pair().await;
        client.write_all(b" world").await.expect("room");
        watched.put_back(Bytes::from_static(b"hello"));
        poll_fn(|cx| watched.poll_readable(cx)).await;
        let mut read = [0; 11];
        watched.read_exact(&mut read).await.expect("eleven bytes");
        assert_eq!(&read, b"hello world");
    }
}
