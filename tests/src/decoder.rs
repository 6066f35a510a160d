//! Reads compressed answers as they come.

use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use compression_codecs::{BrotliDecoder, DecodeV2, GzipDecoder, ZstdDecoder};

/// What has been read so far of an answer in a coding.
pub struct Decoder {
    codec: Box<dyn DecodeV2 + Send>,
    read: Vec<u8>,
}

impl Decoder {
    /// # Panics
    /// When the gateway does not speak this coding.
    pub fn new(coding: &str) -> Self {
        let codec: Box<dyn DecodeV2 + Send> = match coding {
            "zstd" => Box::new(ZstdDecoder::new()),
            "br" => Box::new(BrotliDecoder::new()),
            "gzip" => Box::new(GzipDecoder::new()),
            _ => panic!("no such coding: `{coding}`"),
        };
        Self {
            codec,
            read: Vec::new(),
        }
    }

    /// Reads on.
    ///
    /// # Panics
    /// When these bytes are none of the coding's.
    pub fn read(&mut self, bytes: &[u8]) {
        let mut input = PartialBuffer::new(bytes);
        let mut piece = [0; 4096];
        loop {
            let mut output = WriteBuffer::new_initialized(&mut piece);
            // gzip's takes it amiss to be asked for more where there was none.
            let is_over = input.unwritten().is_empty();
            let ended = match self.codec.decode(&mut input, &mut output) {
                Err(_) if is_over => true,
                decoded => decoded.unwrap(),
            };
            let made = output.written_len();
            self.read.extend_from_slice(&piece[..made]);
            if ended || (input.unwritten().is_empty() && made < piece.len()) {
                return;
            }
        }
    }

    /// What it says so far.
    ///
    /// # Panics
    /// When that is no text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.read).unwrap()
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("read", &self.read.len())
            .finish_non_exhaustive()
    }
}
