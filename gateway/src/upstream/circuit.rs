//! How much may be under way to one upstream at once, all workers together.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::upstream::UpstreamState;

/// One request under way to an upstream, until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    upstream: Arc<UpstreamState>,
    counted: bool,
}

impl Permit {
    /// Lets a request through; `None` when `circuit.requests` are under way already.
    pub(super) fn take(upstream: &Arc<UpstreamState>) -> Option<Self> {
        let before = upstream.requests.fetch_add(1, Ordering::Relaxed);
        // Made before the comparison, so that its drop takes back what was added.
        let permit = Self {
            upstream: Arc::clone(upstream),
            counted: true,
        };
        (before < upstream.config.circuit.requests).then_some(permit)
    }

    /// For a copy, which has bounds of its own and is to keep nobody out.
    pub(super) fn uncounted(upstream: &Arc<UpstreamState>) -> Self {
        Self {
            upstream: Arc::clone(upstream),
            counted: false,
        }
    }

    pub(super) fn upstream(&self) -> &UpstreamState {
        &self.upstream
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.counted {
            self.upstream.requests.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
