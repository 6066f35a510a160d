//! A request's body, kept for its copy while it passes by.

use bytes::{Bytes, BytesMut};

use crate::defaults::COPY_BODY_BYTES_MAX;
use crate::mirror::copy::Begun;

/// Collects a body. Dropped before the body's end, the copy is not sent.
#[derive(Debug)]
pub(crate) struct Tee {
    /// `None` once it is sent or given up.
    copy: Option<Box<Begun>>,
    body: BytesMut,
}

impl Tee {
    pub(crate) fn new(copy: Box<Begun>) -> Self {
        Self {
            copy: Some(copy),
            body: BytesMut::new(),
        }
    }

    /// Keeps a piece. Pieces are copied: kept as they are, each would hold the buffer it was read into.
    pub(crate) fn pass(&mut self, piece: &Bytes) {
        let Some(copy) = &mut self.copy else { return };
        let reason = if self.body.len() + piece.len() > COPY_BODY_BYTES_MAX {
            "body_too_large"
        } else if !copy.grow(piece.len()) {
            "memory_full"
        } else {
            self.body.extend_from_slice(piece);
            return;
        };
        if let Some(copy) = self.copy.take() {
            copy.drop_because(reason);
        }
        self.body = BytesMut::new();
    }

    /// That was all.
    pub(crate) fn end(mut self) {
        if let Some(copy) = self.copy.take() {
            copy.send(std::mem::take(&mut self.body).freeze());
        }
    }
}

impl Drop for Tee {
    fn drop(&mut self) {
        if let Some(copy) = self.copy.take() {
            copy.drop_because("body_incomplete");
        }
    }
}
