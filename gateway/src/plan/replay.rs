//! Reads a log in pieces, on all cores.

use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use route_table::Table;

use crate::plan::report::Report;
use crate::plan::tally::{Tables, Tally};
use crate::plan::worlds::Wanted;

/// Bytes that are handed to a thread at once; a longer line makes its piece longer.
const PIECE_BYTES: usize = 4 * 1024 * 1024;

/// A line longer than this is none of an access log.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Told how many bytes have been read.
pub(crate) trait Progress {
    fn read(&self, bytes: u64);
}

/// Whole lines, and where they begin.
struct Piece {
    at: u64,
    bytes: Vec<u8>,
}

/// Looks every request of a log up in both tables.
///
/// # Errors
/// When the log cannot be read.
pub(crate) fn replay(
    old: &Table,
    new: &Table,
    log: impl Read,
    progress: &impl Progress,
) -> io::Result<Report> {
    let wanted = Wanted::by([old, new]);
    let tables = Tables {
        old,
        new,
        wanted: &wanted,
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (pieces, taken) = sync_channel::<Piece>(2 * threads);
    let taken = Mutex::new(taken);
    let tally = thread::scope(|scope| {
        let count = || count_all(tables, &taken);
        let counting: Vec<_> = (0..threads).map(|_| scope.spawn(count)).collect();
        let read = hand_out(log, progress, |piece| {
            // Nobody takes pieces any more only when a thread has failed, which is heard below.
            let _ = pieces.send(piece);
        });
        drop(pieces);
        let mut all = Tally::default();
        for counted in counting {
            match counted.join() {
                Ok(tally) => all.add(tally),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        read.map(|()| all)
    })?;
    Ok(Report::of(tables, tally))
}

fn count_all(tables: Tables<'_>, pieces: &Mutex<Receiver<Piece>>) -> Tally {
    let mut tally = Tally::default();
    loop {
        let piece = match pieces.lock() {
            Ok(pieces) => pieces.recv(),
            Err(_) => break,
        };
        let Ok(piece) = piece else { break };
        let mut at = piece.at;
        for line in piece.bytes.split_inclusive(|byte| *byte == b'\n') {
            tally.count(tables, at, line);
            at += line.len() as u64;
        }
    }
    tally
}

/// Cuts a log behind ends of lines.
fn hand_out(
    mut log: impl Read,
    progress: &impl Progress,
    mut hand_out: impl FnMut(Piece),
) -> io::Result<()> {
    let (mut at, mut rest) = (0, Vec::new());
    loop {
        let mut bytes = std::mem::take(&mut rest);
        let before = bytes.len();
        let read = log
            .by_ref()
            .take(PIECE_BYTES as u64)
            .read_to_end(&mut bytes)?;
        progress.read(read as u64);
        let is_last = read == 0;
        let end = match bytes.iter().skip(before).rposition(|byte| *byte == b'\n') {
            Some(newline) => before + newline + 1,
            None if is_last => bytes.len(),
            None if bytes.len() > LINE_BYTES_MAX => {
                let message = format!("a line is longer than {LINE_BYTES_MAX} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            None => {
                rest = bytes;
                continue;
            }
        };
        rest = bytes.split_off(end);
        let len = bytes.len() as u64;
        if len > 0 {
            hand_out(Piece { at, bytes });
        }
        at += len;
        if is_last {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl Progress for Nobody {
        fn read(&self, _bytes: u64) {}
    }

    /// Gives a few bytes at a time, as pipes do.
    struct Slow<'s>(&'s [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let len = self.0.len().min(7).min(buf.len());
            let (now, later) = self.0.split_at(len);
            if let Some(place) = buf.get_mut(..len) {
                place.copy_from_slice(now);
            }
            self.0 = later;
            Ok(len)
        }
    }

    #[test]
    fn pieces_end_with_their_lines_and_lose_nothing() {
        let log: String = (0..1_000_000).map(|nth| format!("line {nth}\n")).collect();
        for log in [&*log, "one\ntwo", "", "\n\n", "no end"] {
            let (mut all, mut at) = (Vec::new(), 0);
            hand_out(Slow(log.as_bytes()), &Nobody, |piece| {
                assert_eq!(piece.at, at);
                at += piece.bytes.len() as u64;
                let ends = piece.bytes.ends_with(b"\n") || at == log.len() as u64;
                assert!(ends, "a line was cut");
                all.extend(piece.bytes);
            })
            .expect("it is in memory");
            assert_eq!(all, log.as_bytes());
        }
    }
}
