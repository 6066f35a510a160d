//! Load at a steady rate over HTTP/1.1: requests come when they come, as people's do.
//!
//! wrk sends as soon as it is answered, so that a server that is slow is asked less often. h2load can keep a
//! rate, but sends on all of its connections at once.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::bench::wrk::{CONNECTIONS, Load};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// One run's arguments besides its length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paced {
    pub(super) port: u16,
    /// Requests a second, over all connections; infinite: as many as are answered.
    pub(super) rate: f64,
}

/// What a connection has seen.
#[derive(Debug, Default)]
struct Seen {
    took: Vec<Duration>,
    failed: u64,
}

impl Paced {
    /// Puts load on for some seconds.
    ///
    /// # Errors
    /// When a connection cannot be opened or breaks.
    pub(super) async fn run(self, seconds: u32) -> anyhow::Result<Load> {
        // A thread of its own: what else the bench does is not to be seen in the times.
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(self.all(Duration::from_secs(u64::from(seconds))))
        };
        let mut seen = tokio::task::spawn_blocking(run).await??;
        seen.took.sort_unstable();
        let at = |per_mille: usize| {
            let index = seen.took.len().saturating_sub(1) * per_mille / 1000;
            seen.took.get(index).copied().unwrap_or_default()
        };
        Ok(Load {
            requests: seen.took.len() as u64,
            failed: seen.failed,
            rate: seen.took.len() as f64 / f64::from(seconds),
            p50: at(500),
            p99: at(990),
        })
    }

    async fn all(self, length: Duration) -> anyhow::Result<Seen> {
        let begin = Instant::now();
        let period = Duration::from_secs_f64(f64::from(CONNECTIONS) / self.rate);
        let connections = (0..CONNECTIONS).map(|index| {
            let first = begin + period * index / CONNECTIONS;
            one(self.port, first, period, begin + length)
        });
        let mut connections: JoinSet<_> = connections.collect();
        let mut all = Seen::default();
        while let Some(one) = connections.join_next().await {
            let one = one??;
            all.took.extend(one.took);
            all.failed += one.failed;
        }
        Ok(all)
    }
}

/// One connection: a request each `period`, beginning at `next`.
async fn one(port: u16, mut next: Instant, period: Duration, end: Instant) -> anyhow::Result<Seen> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    connection.set_nodelay(true)?;
    let mut seen = Seen::default();
    let mut buffer = Vec::with_capacity(4096);
    while next < end && Instant::now() < end {
        // A request that was held up by the answer before it has waited from its own time on.
        let started = if Instant::now() < next {
            tokio::time::sleep_until(next.into()).await;
            Instant::now()
        } else {
            next
        };
        connection.write_all(REQUEST).await?;
        let status = answer(&mut connection, &mut buffer).await?;
        seen.took.push(started.elapsed());
        seen.failed += u64::from(!(200..400).contains(&status));
        next += period;
    }
    Ok(seen)
}

/// Reads one answer with a `Content-Length`, and returns its status.
async fn answer(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<u16> {
    buffer.clear();
    loop {
        if connection.read_buf(buffer).await? == 0 {
            bail!("the connection was closed");
        }
        let Some(head) = buffer.windows(4).position(|end| end == b"\r\n\r\n") else {
            continue;
        };
        let text = String::from_utf8_lossy(buffer.get(..head).unwrap_or_default());
        let (status, length) = head_of(&text).context("an answer without status or length")?;
        if buffer.len() >= head + 4 + length {
            return Ok(status);
        }
    }
}

/// Status and `Content-Length`.
fn head_of(text: &str) -> Option<(u16, usize)> {
    let status = text.split(' ').nth(1)?.parse().ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    })?;
    Some((status, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_whatever_the_case() {
        let head = "HTTP/1.1 503 Busy\r\nServer: x\r\nContent-Length: 12";
        assert_eq!(head_of(head), Some((503, 12)));
        assert_eq!(head_of(&head.to_lowercase()), Some((503, 12)));
        assert_eq!(
            head_of("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked"),
            None
        );
    }
}
