//! Whatever goes in comes out again, piece by piece, in every coding.

use std::convert::Infallible;
use std::future::poll_fn;

use bytes::Bytes;
use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use compression_codecs::{BrotliDecoder, DecodeV2, GzipDecoder, ZstdDecoder};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use http_body_util::StreamBody;
use proptest::prelude::*;
use route_table::table::Encoding;
use tokio::sync::mpsc;

use super::Compressed;
use crate::extend::Body;
use crate::respond::ResponseBody;
use crate::telemetry::Metrics;

const ALL: [Encoding; 3] = [Encoding::Zstd, Encoding::Brotli, Encoding::Gzip];

/// A body that a test writes frame by frame.
fn written(encoding: Encoding) -> (mpsc::Sender<Frame<Bytes>>, Compressed, Metrics) {
    let (sender, receiver) = mpsc::channel(64);
    let frames = futures_util::stream::unfold(receiver, async |mut receiver| {
        let frame = receiver.recv().await?;
        Some((Ok::<_, Infallible>(frame), receiver))
    });
    let body = ResponseBody::of_layer(Body::new(StreamBody::new(frames.boxed())));
    let metrics = Metrics::new();
    let count = metrics.compressing(encoding).expect("the first");
    let compressed = Compressed::new(body, encoding, None, count);
    (sender, compressed, metrics)
}

/// All that has been written so far, decoded.
struct Reader {
    decoder: Box<dyn DecodeV2>,
    output: Vec<u8>,
}

impl Reader {
    fn new(encoding: Encoding) -> Self {
        Self {
            decoder: match encoding {
                Encoding::Zstd => Box::new(ZstdDecoder::new()),
                Encoding::Brotli => Box::new(BrotliDecoder::new()),
                Encoding::Gzip => Box::new(GzipDecoder::new()),
            },
            output: Vec::new(),
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        let mut input = PartialBuffer::new(bytes);
        loop {
            let mut piece = [0; 4096];
            let mut output = WriteBuffer::new_initialized(&mut piece);
            // gzip's takes it amiss to be asked for more where there was none.
            let is_over = input.unwritten().is_empty();
            let ended = match self.decoder.decode(&mut input, &mut output) {
                Err(_) if is_over => true,
                decoded => decoded.unwrap(),
            };
            let made = output.written_len();
            self.output.extend_from_slice(&piece[..made]);
            if ended || (input.unwritten().is_empty() && made < 4096) {
                return;
            }
        }
    }
}

/// Reads to the end; the decoded bytes and the trailers.
async fn read_all(body: &mut Compressed, encoding: Encoding) -> (Vec<u8>, Option<HeaderMap>) {
    let (mut reader, mut trailers) = (Reader::new(encoding), None);
    while let Some(frame) = poll_fn(|cx| body.poll_frame(cx)).await {
        match frame.expect("a whole body").into_data() {
            Ok(data) => reader.read(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    assert!(body.is_done());
    (reader.output, trailers)
}

#[tokio::test]
async fn what_has_been_written_arrives_before_anything_else_is() {
    for encoding in ALL {
        let (sender, mut body, _) = written(encoding);
        let mut reader = Reader::new(encoding);
        for (text, so_far) in [
            ("one ", "one "),
            ("two ", "one two "),
            ("three", "one two three"),
        ] {
            sender.send(Frame::data(Bytes::from(text))).await.unwrap();
            while reader.output != so_far.as_bytes() {
                let frame = poll_fn(|cx| body.poll_frame(cx)).await;
                let data = frame.unwrap().unwrap().into_data().unwrap();
                reader.read(&data);
            }
        }
        drop(sender);
        while let Some(frame) = poll_fn(|cx| body.poll_frame(cx)).await {
            reader.read(&frame.unwrap().into_data().unwrap());
        }
        assert_eq!(reader.output, b"one two three");
    }
}

#[tokio::test]
async fn trailers_come_last() {
    for encoding in ALL {
        let (sender, mut body, _) = written(encoding);
        let trailers =
            HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("\"a\""))]);
        sender.send(Frame::data(Bytes::from("text"))).await.unwrap();
        sender
            .send(Frame::trailers(trailers.clone()))
            .await
            .unwrap();
        drop(sender);
        let (text, found) = read_all(&mut body, encoding).await;
        assert_eq!((text.as_slice(), found), (&b"text"[..], Some(trailers)));
    }
}

#[tokio::test]
async fn a_large_answer_gives_way_to_others_and_to_its_reader() {
    for encoding in ALL {
        let (sender, mut body, metrics) = written(encoding);
        let text: Bytes = vec![b'x'; 4 << 20].into();
        sender.send(Frame::data(text.clone())).await.unwrap();
        drop(sender);
        let (mut reader, mut turns) = (Reader::new(encoding), 0);
        loop {
            let polled = poll_fn(|cx| std::task::Poll::Ready(body.poll_frame(cx))).await;
            match polled {
                std::task::Poll::Pending => turns += 1,
                std::task::Poll::Ready(Some(frame)) => {
                    let data = frame.unwrap().into_data().unwrap();
                    assert!(data.len() <= 16 * 1024);
                    reader.read(&data);
                }
                std::task::Poll::Ready(None) => break,
            }
        }
        assert_eq!(reader.output, text);
        assert!(turns >= 63, "{encoding:?}: {turns} turns for others");
        drop(body);
        let text = metrics.encode();
        assert!(text.contains("gateway_answers_compressing 0"), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn whatever_goes_in_comes_out(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40_000), 0..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for encoding in ALL {
            let found = runtime.block_on(async {
                let (sender, mut body, _) = written(encoding);
                for frame in &frames {
                    sender.send(Frame::data(frame.clone().into())).await.unwrap();
                }
                drop(sender);
                read_all(&mut body, encoding).await.0
            });
            prop_assert_eq!(found, frames.concat());
        }
    }
}
