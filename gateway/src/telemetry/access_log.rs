//! The access log's way out: a buffer a thread, batches, one writer thread.
//!
//! [`AccessLog::write`] formats into the calling thread's own buffer. The buffer is handed over when it
//! is full, and by [`AccessLog::flush`], which every worker calls ten times a second. Between workers and
//! writer is a bounded queue: when the writer can't keep up, whole batches are dropped and their lines
//! counted.

use std::cell::Cell;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;

use super::access_record::{AccessRecord, LastSecond};
use super::metrics::Metrics;

/// Bytes at which a buffer is handed over.
const BATCH_BYTES: usize = 64 * 1024;

/// Batches that may wait for the writer: 2 MiB of lines.
const QUEUE_BATCHES: usize = 32;

/// How long the end of the process waits for the last lines.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Buffers; more threads than that share them.
const BUFFERS: usize = 32;

/// The access log. Clones share it; lines of one thread keep their order.
#[derive(Debug, Clone)]
pub(crate) struct AccessLog {
    shared: Arc<Shared>,
    to_writer: SyncSender<Batch>,
    written: Arc<Mutex<Receiver<()>>>,
}

#[derive(Debug)]
struct Shared {
    buffers: [Mutex<Buffer>; BUFFERS],
    closing: AtomicBool,
    dropped: Counter,
}

#[derive(Debug, Default)]
struct Buffer {
    batch: Batch,
    last_second: LastSecond,
}

#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    lines: u64,
}

impl AccessLog {
    /// Starts a log to standard output. Lines that can't be written are counted in `metrics`.
    pub(crate) fn stdout(metrics: &Metrics) -> Self {
        Self::start(Box::new(io::stdout()), metrics.access_log_dropped())
    }

    /// Starts a log that is appended to a file.
    ///
    /// # Errors
    /// When the file can't be opened or created.
    pub(crate) fn file(path: &Path, metrics: &Metrics) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self::start(Box::new(file), metrics.access_log_dropped()))
    }

    fn start(output: Box<dyn Write + Send>, dropped: Counter) -> Self {
        let (to_writer, from_workers) = sync_channel(QUEUE_BATCHES);
        let (at_end, written) = sync_channel(1);
        let shared = Arc::new(Shared {
            buffers: Default::default(),
            closing: AtomicBool::new(false),
            dropped,
        });
        let writer = Writer {
            shared: Arc::clone(&shared),
            output,
            failing: false,
        };
        let started = thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || {
                writer.run(&from_workers);
                // Closed before the end is told: whatever comes later is counted, not left in a queue.
                drop(from_workers);
                // Nobody waits when the log was dropped without `close`.
                let _ = at_end.send(());
            });
        if let Err(error) = started {
            // Without a reader the queue is closed: all lines will be counted as dropped.
            tracing::error!(%error, "access log has no thread to write it");
        }
        Self {
            shared,
            to_writer,
            written: Arc::new(Mutex::new(written)),
        }
    }

    /// Writes one line, without waiting for anything.
    pub(crate) fn write(&self, record: &AccessRecord<'_>) {
        let mut buffer = self.shared.buffer_of_thread().lock();
        let Buffer { batch, last_second } = &mut *buffer;
        if batch.bytes.capacity() == 0 {
            batch.bytes.reserve(BATCH_BYTES + BATCH_BYTES / 8);
        }
        record.write_line(last_second, &mut batch.bytes);
        batch.lines += 1;
        if batch.bytes.len() >= BATCH_BYTES {
            self.hand_over(batch);
        }
    }

    /// Hands over what lies in the calling thread's buffer, without waiting.
    pub(crate) fn flush(&self) {
        let mut buffer = self.shared.buffer_of_thread().lock();
        if buffer.batch.lines > 0 {
            self.hand_over(&mut buffer.batch);
        }
    }

    /// Called with the buffer's lock held, so that batches of one thread keep their order.
    fn hand_over(&self, batch: &mut Batch) {
        let batch = std::mem::take(batch);
        let lines = batch.lines;
        if self.to_writer.try_send(batch).is_err() {
            self.shared.dropped.inc_by(lines);
        }
    }

    /// Writes out what is left, of all threads, and ends the writer; blocks for up to two seconds. For
    /// the end of the process: later lines are counted as dropped.
    pub(crate) fn close(&self) {
        self.shared.closing.store(true, Ordering::Release);
        // An empty batch wakes the writer up; if the queue is full it is awake.
        let _ = self.to_writer.try_send(Batch::default());
        if self.written.lock().recv_timeout(CLOSE_TIMEOUT) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("access log not written to its end");
        }
    }
}

static NEXT_THREAD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREAD: Cell<usize> = Cell::new(NEXT_THREAD.fetch_add(1, Ordering::Relaxed));
}

impl Shared {
    fn buffer_of_thread(&self) -> &Mutex<Buffer> {
        // A thread that is ending has lost its number; any buffer will do.
        let number = THREAD.try_with(Cell::get).unwrap_or(0);
        self.buffers
            .get(number % BUFFERS)
            .expect("a remainder is below its divisor")
    }
}

/// The writer thread's own state.
struct Writer {
    shared: Arc<Shared>,
    output: Box<dyn Write + Send>,
    /// The last write failed; said once, not once a batch.
    failing: bool,
}

impl Writer {
    fn run(mut self, from_workers: &Receiver<Batch>) {
        while let Ok(batch) = from_workers.recv() {
            self.write(&batch);
            if self.shared.closing.load(Ordering::Acquire) {
                break;
            }
        }
        self.write_the_rest(from_workers);
    }

    fn write_the_rest(&mut self, from_workers: &Receiver<Batch>) {
        while let Ok(batch) = from_workers.try_recv() {
            self.write(&batch);
        }
        let shared = Arc::clone(&self.shared);
        for buffer in &shared.buffers {
            let batch = std::mem::take(&mut buffer.lock().batch);
            self.write(&batch);
        }
    }

    fn write(&mut self, batch: &Batch) {
        if batch.lines == 0 {
            return;
        }
        let outcome = self
            .output
            .write_all(&batch.bytes)
            .and_then(|()| self.output.flush());
        if let Err(error) = &outcome {
            self.shared.dropped.inc_by(batch.lines);
            if !self.failing {
                tracing::error!(%error, "access log can not be written");
            }
        }
        self.failing = outcome.is_err();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::super::access_record::tests::record;
    use super::*;

    /// Passes on every write; may be told to fail, or to wait for leave.
    struct Probe {
        written: mpsc::Sender<Vec<u8>>,
        leave: Option<Receiver<()>>,
        fails: bool,
    }

    impl Write for Probe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(leave) = &self.leave {
                // An error means that the writer may go on.
                let _ = leave.recv();
            }
            if self.fails {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.written
                .send(bytes.to_vec())
                .map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log_to(probe: Probe) -> (AccessLog, Counter) {
        let dropped = Counter::default();
        (AccessLog::start(Box::new(probe), dropped.clone()), dropped)
    }

    fn lines(batches: &Receiver<Vec<u8>>) -> Vec<serde_json::Value> {
        let bytes = batches.try_iter().flatten().collect::<Vec<u8>>();
        let text = String::from_utf8(bytes).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn a_line_is_out_after_a_flush() {
        let (written, batches) = mpsc::channel();
        let (log, _) = log_to(Probe {
            written,
            leave: None,
            fails: false,
        });
        for _ in 0..3 {
            log.flush();
            log.write(&record());
            log.flush();
            let batch = batches.recv_timeout(Duration::from_secs(10)).unwrap();
            assert_eq!(batch.iter().filter(|byte| **byte == b'\n').count(), 1);
        }
    }

    #[test]
    fn no_line_is_lost_or_torn_when_many_threads_write() {
        let (written, batches) = mpsc::channel();
        let (log, dropped) = log_to(Probe {
            written,
            leave: None,
            fails: false,
        });
        thread::scope(|scope| {
            for worker in 0..6_u64 {
                let log = log.clone();
                scope.spawn(move || {
                    for line in 0..2_000 {
                        log.write(&AccessRecord {
                            bytes_in: worker,
                            bytes_out: line,
                            ..record()
                        });
                        if line % 100 == 0 {
                            log.flush();
                        }
                    }
                });
            }
        });
        log.close();
        let lines = lines(&batches);
        assert_eq!(lines.len() as u64 + dropped.get(), 12_000);
        for worker in 0..6_u64 {
            let of_worker = lines.iter().filter(|line| line["bytes_in"] == worker);
            let order: Vec<_> = of_worker.map(|line| line["bytes_out"].as_u64()).collect();
            assert!(order.is_sorted(), "lines of a thread keep their order");
        }
    }

    #[test]
    fn a_writer_that_hangs_costs_lines_not_requests() {
        let (written, batches) = mpsc::channel();
        let (leave, waiting) = mpsc::channel();
        let (log, dropped) = log_to(Probe {
            written,
            leave: Some(waiting),
            fails: false,
        });
        let mut total = 0_u64;
        while dropped.get() == 0 {
            log.write(&record());
            total += 1;
            assert!(total < 100_000, "the queue must be bounded");
        }
        drop(leave);
        log.close();
        assert_eq!(lines(&batches).len() as u64 + dropped.get(), total);
    }

    #[test]
    fn lines_that_can_not_be_written_are_counted() {
        let (written, _batches) = mpsc::channel();
        let (log, dropped) = log_to(Probe {
            written,
            leave: None,
            fails: true,
        });
        for _ in 0..10 {
            log.write(&record());
        }
        log.close();
        assert_eq!(dropped.get(), 10);
        log.write(&record());
        log.flush();
        assert_eq!(dropped.get(), 11, "lines after the end are counted too");
    }

    #[test]
    fn a_file_is_appended_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        for _ in 0..2 {
            let log = AccessLog::file(&path, &Metrics::new()).unwrap();
            log.write(&record());
            log.close();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
        let missing = folder.path().join("no/such/folder/log");
        assert!(AccessLog::file(&missing, &Metrics::new()).is_err());
    }
}
