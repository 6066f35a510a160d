//! An upstream that is slow, or never answers.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Answers each request after a time, or not at all, until it is dropped.
#[derive(Debug)]
pub(super) struct Stub {
    pub(super) port: u16,
    task: AbortHandle,
}

impl Stub {
    /// `delay: None` is for ever.
    ///
    /// # Errors
    /// When there is no port left.
    pub(super) async fn start(delay: Option<Duration>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, delay));
            }
        });
        Ok(Self {
            port,
            task: task.abort_handle(),
        })
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request after the other; those of the gateway come whole, one read each.
async fn serve(mut connection: TcpStream, delay: Option<Duration>) {
    let mut request = vec![0; 16 * 1024];
    while connection
        .read(&mut request)
        .await
        .is_ok_and(|read| read > 0)
    {
        match delay {
            Some(delay) => tokio::time::sleep(delay).await,
            None => std::future::pending().await,
        }
        if connection.write_all(ANSWER).await.is_err() {
            return;
        }
    }
}
