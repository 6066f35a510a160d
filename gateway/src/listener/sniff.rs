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

/// Looks at a connection's first bytes without taking one off the socket.
///
/// # Errors
/// `TimedOut` when nothing comes within `idle`, or a beginning is not continued within `header`.
pub(super) async fn sniff(
    stream: &TcpStream,
    idle: Duration,
    header: Duration,
) -> io::Result<Protocol> {
    let mut first = [0; BEGINNING.len()];
    let peeked = timeout(idle, stream.peek(&mut first)).await;
    let mut seen = peeked.map_err(|_| io::ErrorKind::TimedOut)??;
    let began = Instant::now();
    loop {
        let same = first.iter().zip(&BEGINNING);
        let same = same.take_while(|(one, other)| one == other).count();
        if seen == 0 || same < seen.min(BEGINNING.len()) {
            return Ok(Protocol::Http1);
        }
        if same == BEGINNING.len() {
            return Ok(Protocol::Http2);
        }
        // Rare: the first bytes came alone. The socket stays readable, so wait by the clock.
        if began.elapsed() > header {
            return Err(io::ErrorKind::TimedOut.into());
        }
        sleep(LOOK_AGAIN).await;
        seen = stream.peek(&mut first).await?;
    }
}
