//! One answer's encoder and the piece of output that it fills.

use std::io;

use bytes::{Buf as _, Bytes};
use compression_codecs::brotli::params::EncoderParams as BrotliParams;
use compression_codecs::core::Level;
use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use compression_codecs::flate::params::FlateEncoderParams;
use compression_codecs::zstd::params::CParameter;
use compression_codecs::{BrotliEncoder, EncodeV2, GzipEncoder, ZstdEncoder};
use route_table::table::Encoding;

use crate::defaults::{
    BROTLI_QUALITY, COMPRESSION_PIECE_BYTES, COMPRESSION_WINDOW_LOG2, COMPRESSION_WINDOW_LOG2_MIN,
    GZIP_LEVEL, ZSTD_LEVEL,
};

/// An encoder that cannot go on; none of the codings has a reason to.
#[derive(Debug, thiserror::Error)]
#[error("an encoder failed")]
pub(crate) struct EncoderError(#[source] Option<io::Error>);

/// Turns an answer into its coding; memory is bounded by the coding's window.
pub(super) struct Encoder {
    codec: Box<dyn EncodeV2 + Send>,
    piece: Box<[u8]>,
    /// Bytes of the piece that are filled.
    filled: usize,
}

impl Encoder {
    /// `length` is that of the whole answer, if it is known: a short one needs no large window.
    pub(super) fn new(encoding: Encoding, length: Option<u64>) -> Self {
        let window = window_log2(length);
        let codec: Box<dyn EncodeV2 + Send> = match encoding {
            Encoding::Zstd => {
                let window = CParameter::window_log(window);
                Box::new(ZstdEncoder::new_with_params(ZSTD_LEVEL, &[window]))
            }
            Encoding::Brotli => {
                let params = BrotliParams::default()
                    .quality(Level::Precise(BROTLI_QUALITY))
                    .window_size(window.cast_signed())
                    .block_size(COMPRESSION_WINDOW_LOG2_MIN.cast_signed());
                Box::new(BrotliEncoder::new(params))
            }
            Encoding::Gzip => {
                let level = FlateEncoderParams::from(Level::Precise(GZIP_LEVEL));
                Box::new(GzipEncoder::new(level))
            }
        };
        Self {
            codec,
            piece: vec![0; COMPRESSION_PIECE_BYTES].into(),
            filled: 0,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.filled == self.piece.len()
    }

    /// Takes what fits, at most a piece at once. The output must not be full.
    pub(super) fn encode(&mut self, input: &mut Bytes) -> Result<(), EncoderError> {
        let at_once = input.len().min(COMPRESSION_PIECE_BYTES);
        let mut taken = PartialBuffer::new(input.get(..at_once).unwrap_or_default());
        let mut output = output(&mut self.piece, self.filled);
        self.codec
            .encode(&mut taken, &mut output)
            .map_err(|error| EncoderError(Some(error)))?;
        let (taken, made) = (taken.written_len(), output.written_len());
        if taken == 0 && made == 0 {
            // It would be asked again for ever.
            return Err(EncoderError(None));
        }
        self.filled += made;
        input.advance(taken);
        Ok(())
    }

    /// Gives out all that has been taken; whether that is all. The output must not be full.
    pub(super) fn flush(&mut self) -> Result<bool, EncoderError> {
        let mut output = output(&mut self.piece, self.filled);
        let is_all = self.codec.flush(&mut output);
        self.filled += output.written_len();
        is_all.map_err(|error| EncoderError(Some(error)))
    }

    /// Ends the coding; whether that is all of it. The output must not be full.
    pub(super) fn finish(&mut self) -> Result<bool, EncoderError> {
        let mut output = output(&mut self.piece, self.filled);
        let is_all = self.codec.finish(&mut output);
        self.filled += output.written_len();
        is_all.map_err(|error| EncoderError(Some(error)))
    }

    /// Hands out what there is; `None` when that is nothing.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        let filled = std::mem::take(&mut self.filled);
        // A copy: what a slow client has not taken yet is no larger than it has to be.
        let bytes = Bytes::copy_from_slice(self.piece.get(..filled).unwrap_or_default());
        (!bytes.is_empty()).then_some(bytes)
    }
}

fn output(piece: &mut [u8], filled: usize) -> WriteBuffer<'_> {
    WriteBuffer::new_initialized(piece.get_mut(filled..).unwrap_or_default())
}

/// The smallest window that an answer fits in, as a power of two, within bounds.
fn window_log2(length: Option<u64>) -> u32 {
    let fitting = length.map_or(u64::BITS, |length| {
        u64::BITS - length.saturating_sub(1).leading_zeros()
    });
    fitting.clamp(COMPRESSION_WINDOW_LOG2_MIN, COMPRESSION_WINDOW_LOG2)
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("filled", &self.filled)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_as_large_as_its_answer_and_no_larger_than_ours() {
        for (length, window) in [
            (Some(0), 16),
            (Some(65_536), 16),
            (Some(65_537), 17),
            (Some(100_000_000), 18),
            (None, 18),
        ] {
            assert_eq!(window_log2(length), window, "{length:?}");
        }
    }
}
