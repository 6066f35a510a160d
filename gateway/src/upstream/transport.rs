//! The byte stream below an upstream connection: TCP, TLS over it, or a Unix socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use crate::upstream::complaints::Complaint;
use crate::upstream::open_connections::OpenConnection;

/// A connected stream. One for requests is counted as open until it is dropped, whoever holds it then:
/// a pool, a request, or an upgraded connection.
#[derive(Debug)]
pub(super) struct Transport {
    stream: Socket,
    _open: Option<OpenConnection>,
}

/// An enum rather than a boxed trait object: the plain case costs one branch.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    /// Boxed, so that connections without TLS do not carry its size.
    Tls(Box<Tls>),
    Unix(UnixStream),
}

#[derive(Debug)]
pub(super) struct Tls {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) complaint: Complaint,
}

impl Tls {
    /// In TLS 1.3 an endpoint that does not trust us says so after the handshake, perhaps to nobody
    /// who is sending a request.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Poll::Ready(Err(error)) = &read
            && let Some(cause) = error.get_ref()
            && let Some(rustls::Error::AlertReceived(_)) = cause.downcast_ref()
        {
            self.complaint.make(error);
        }
        read
    }
}

impl Transport {
    pub(super) fn new(stream: Socket, open: OpenConnection) -> Self {
        Self {
            stream,
            _open: Some(open),
        }
    }

    /// A health check's own: it takes no place from requests.
    pub(super) fn uncounted(stream: Socket) -> Self {
        Self {
            stream,
            _open: None,
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Tls(tls) => tls.poll_read(cx, buf),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Tls(tls) => Pin::new(&mut tls.stream).poll_write(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Socket::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Socket::Tls(tls) => Pin::new(&mut tls.stream).poll_write_vectored(cx, slices),
            Socket::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Socket::Tcp(stream) => stream.is_write_vectored(),
            Socket::Tls(tls) => tls.stream.is_write_vectored(),
            Socket::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Tls(tls) => Pin::new(&mut tls.stream).poll_flush(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Tls(tls) => Pin::new(&mut tls.stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
