//! Opens a connection to an endpoint and starts HTTP/1.1 on it.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use route_table::table::EndpointAddress;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::balance::Endpoint;
use crate::defaults::{HEADER_BYTES_MAX, HEADER_COUNT_MAX};
use crate::edge::RequestBody;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("connect failed")]
    Io(#[from] io::Error),
    #[error("connect took longer than {} ms", .0.as_millis())]
    Timeout(Duration),
    #[error("HTTP handshake failed")]
    Http(#[from] hyper::Error),
}

/// Connects within `limit`. The connection's own task runs on the calling worker.
pub(crate) async fn connect(
    endpoint: &Endpoint,
    limit: Duration,
) -> Result<SendRequest<RequestBody>, ConnectError> {
    let stream = timeout(limit, open(endpoint))
        .await
        .map_err(|_| ConnectError::Timeout(limit))??;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::Builder::new()
        .max_headers(HEADER_COUNT_MAX * 2)
        .max_header_size(HEADER_BYTES_MAX as usize * 4)
        .handshake(TokioIo::new(stream))
        .await?;
    tokio::spawn(async move {
        // Its end is seen by whoever holds the sender; an error here belongs to no request.
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "upstream connection ended");
        }
    });
    Ok(sender)
}

async fn open(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let EndpointAddress::Tcp { host, port } = &endpoint.key.address else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    // An address needs no resolver, whose thread would be a detour.
    match host.parse::<IpAddr>() {
        Ok(address) => TcpStream::connect((address, *port)).await,
        Err(_) => TcpStream::connect((&**host, *port)).await,
    }
}
