//! How much may be under way to one upstream at once, all workers together.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::upstream::UpstreamState;

/// One request under way to an upstream, until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<UpstreamState>);

impl Permit {
    /// Lets a request through; `None` when `circuit.requests` are under way already.
    pub(super) fn take(upstream: &Arc<UpstreamState>) -> Option<Self> {
        let before = upstream.requests.fetch_add(1, Ordering::Relaxed);
        // Made before the comparison, so that its drop takes back what was added.
        let permit = Self(Arc::clone(upstream));
        (before < upstream.config.circuit.requests).then_some(permit)
    }

    pub(super) fn upstream(&self) -> &UpstreamState {
        &self.0
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}
