//! Tells HTTP/2 with prior knowledge from HTTP/1.1.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::listener::connection::Protocol;

/// `PRI` is no method of HTTP/1.1, so three bytes decide.
const BEGINNING: [u8; 3] = *b"PRI";

/// Pause between two looks at a beginning that came in pieces.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Looks at a connection's first bytes without taking one off the socket; `None` when nothing comes within
/// `idle`.
///
/// # Errors
/// `TimedOut` when a beginning is not continued within `header`.
pub(super) async fn sniff(
    stream: &TcpStream,
    idle: Duration,
    header: Duration,
) -> io::Result<Option<Protocol>> {
    let mut first = [0; BEGINNING.len()];
    let Ok(peeked) = timeout(idle, stream.peek(&mut first)).await else {
        return Ok(None);
    };
    let mut seen = peeked?;
    let began = Instant::now();
    loop {
        let same = first.iter().zip(&BEGINNING);
        let same = same.take_while(|(one, other)| one == other).count();
        if seen == 0 || same < seen.min(BEGINNING.len()) {
            return Ok(Some(Protocol::Http1));
        }
        if same == BEGINNING.len() {
            return Ok(Some(Protocol::Http2));
        }
        // Rare: the first bytes came alone. The socket stays readable, so wait by the clock.
        if began.elapsed() > header {
            return Err(io::ErrorKind::TimedOut.into());
        }
        sleep(LOOK_AGAIN).await;
        seen = stream.peek(&mut first).await?;
    }
}
