//! An answer's body, kept while it passes by.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use super::flights::{Landing, Leader};
use super::kept::Kept;
use super::store::Place;
use crate::state::GatewayState;

/// Collects a body. Dropped before the body's end, it keeps nothing, and its leader has left.
#[derive(Debug)]
pub(crate) struct Tee {
    pub(crate) gateway: Arc<GatewayState>,
    pub(crate) place: Place,
    /// The request's headers, for what the answer varies by.
    pub(crate) asked: HeaderMap,
    pub(crate) kept: Kept,
    /// `None`: nobody waits for it.
    pub(crate) leader: Option<Leader>,
    pub(crate) body: BytesMut,
    pub(crate) bytes_max: u64,
}

impl Tee {
    /// Keeps a piece; `false` when it is too much. Pieces are copied: kept as they are, each would hold the
    /// buffer it was read into.
    pub(crate) fn pass(&mut self, piece: &Bytes) -> bool {
        if (self.body.len() + piece.len()) as u64 > self.bytes_max {
            if let Some(leader) = self.leader.take() {
                leader.land(Landing::NotToBeKept);
            }
            return false;
        }
        self.body.extend_from_slice(piece);
        true
    }

    /// That was all.
    pub(crate) fn end(self) {
        let kept = self.kept.with_body(self.body.freeze());
        let cache = &self.gateway.cache;
        let kept = cache.put(&self.place, &self.asked, Arc::new(kept));
        if let Some(leader) = self.leader {
            // What was forgotten meanwhile has to be asked for again, by all who want it.
            leader.land(if kept { Landing::Kept } else { Landing::Failed });
        }
    }
}
