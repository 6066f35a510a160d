//! An answer's body, compressed as it passes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame};
use route_table::table::Encoding;

use crate::defaults::COMPRESSED_AT_ONCE_BYTES;
use crate::respond::ResponseBody;
use crate::respond::body::BodyError;
use crate::respond::compress::encoder::Encoder;
use crate::telemetry::CompressionGuard;

/// Reads a body on and hands out what becomes of it.
///
/// What the encoder holds back is handed out as soon as the body pauses: an answer that trickles arrives
/// as it comes. Between two pauses of its own it gives way to the worker's other requests.
#[derive(Debug)]
pub(crate) struct Compressed {
    body: ResponseBody,
    encoder: Encoder,
    stage: Stage,
    /// Read from the body, not yet taken by the encoder.
    input: Bytes,
    trailers: Option<HeaderMap>,
    /// Whether the encoder holds something back.
    unflushed: bool,
    /// Bytes taken since others had their turn.
    at_once: usize,
    count: CompressionGuard,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Reading,
    /// The body pauses.
    Flushing,
    /// The body has ended.
    Finishing,
    Trailers,
    Done,
}

impl Compressed {
    /// `length` is that of the whole body, if it is known.
    pub(super) fn new(
        body: ResponseBody,
        encoding: Encoding,
        length: Option<u64>,
        count: CompressionGuard,
    ) -> Self {
        Self {
            body,
            encoder: Encoder::new(encoding, length),
            stage: Stage::Reading,
            input: Bytes::new(),
            trailers: None,
            unflushed: false,
            at_once: 0,
            count,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if self.encoder.is_full()
                && let Some(frame) = self.frame()
            {
                return Poll::Ready(Some(Ok(frame)));
            }
            let step = match self.stage {
                Stage::Reading if self.input.is_empty() => ready!(self.poll_read(cx)),
                Stage::Reading if self.at_once >= COMPRESSED_AT_ONCE_BYTES => {
                    self.at_once = 0;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Stage::Reading => self.encode(),
                Stage::Flushing => self.end(Stage::Reading, Encoder::flush),
                Stage::Finishing => self.end(Stage::Trailers, Encoder::finish),
                Stage::Trailers => {
                    self.stage = Stage::Done;
                    let trailers = self.trailers.take();
                    return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
                }
                Stage::Done => return Poll::Ready(None),
            };
            match step {
                Ok(None) => {}
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Err(error) => {
                    self.stage = Stage::Done;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    /// Reads on; pending when the body is and nothing is held back.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let read = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending if self.unflushed => {
                self.stage = Stage::Flushing;
                return Poll::Ready(Ok(None));
            }
            Poll::Pending => {
                self.at_once = 0;
                return Poll::Pending;
            }
            Poll::Ready(read) => read,
        };
        match read {
            None => self.stage = Stage::Finishing,
            Some(Err(error)) => return Poll::Ready(Err(error)),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    self.count.read(data.len());
                    self.input = data;
                }
                Err(frame) => {
                    self.trailers = frame.into_trailers().ok();
                    self.stage = Stage::Finishing;
                }
            },
        }
        Poll::Ready(Ok(None))
    }

    fn encode(&mut self) -> Step {
        let before = self.input.len();
        self.encoder.encode(&mut self.input)?;
        self.at_once += before - self.input.len();
        self.unflushed = true;
        Ok(None)
    }

    /// Has the encoder give out what it holds; then goes on with `next`.
    fn end(
        &mut self,
        next: Stage,
        give_out: impl FnOnce(&mut Encoder) -> Result<bool, super::EncoderError>,
    ) -> Step {
        if give_out(&mut self.encoder)? {
            self.unflushed = false;
            self.stage = next;
            return Ok(self.frame());
        }
        Ok(None)
    }

    fn frame(&mut self) -> Option<Frame<Bytes>> {
        let bytes = self.encoder.take()?;
        self.count.wrote(bytes.len());
        Some(Frame::data(bytes))
    }
}

/// A frame to hand out, if there is one by now.
type Step = Result<Option<Frame<Bytes>>, BodyError>;
