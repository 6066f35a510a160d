//! A thread's own handles to the counters that every request needs.
//!
//! Looking a counter up by its labels means a lock, a hash over texts and a comparison of them. So a
//! thread does it once for each combination of small numbers and keeps the handle; from then on a
//! request costs one look-up by integers and a few atomic additions. Handles are forgotten when the
//! configuration's generation changes, because route and upstream ids may then mean something else.

use hashbrown::HashMap;
use prometheus_client::metrics::counter::Counter;
use std::cell::RefCell;

use super::duration_histogram::DurationHistogram;

/// One combination of a request's labels, as numbers of one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RequestKey {
    pub(super) route: Option<u32>,
    pub(super) upstream: Option<u32>,
    pub(super) method: &'static str,
    pub(super) status: u16,
}

/// An endpoint's id, which is unique in the process, and an outcome.
pub(super) type AttemptKey = (u64, &'static str);

#[derive(Debug, Clone)]
pub(super) struct RequestHandles {
    pub(super) count: Counter,
    pub(super) duration: DurationHistogram,
}

/// What the handles are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Validity {
    /// Which [`super::Metrics`]; there are several in tests.
    pub(super) owner: u64,
    /// Rises when endpoints are forgotten.
    pub(super) epoch: u64,
}

/// The keys are ours, none is a client's: a cheap hash will do.
#[derive(Debug, Default)]
struct Handles {
    validity: Validity,
    generation: u64,
    requests: HashMap<RequestKey, RequestHandles>,
    attempts: HashMap<AttemptKey, Counter>,
}

thread_local! {
    static HANDLES: RefCell<Handles> = RefCell::default();
}

/// Runs `record` with the handles of a request's labels, resolved once a thread.
pub(super) fn with_request(
    validity: Validity,
    generation: u64,
    key: RequestKey,
    resolve: impl Fn() -> RequestHandles,
    record: impl Fn(&RequestHandles),
) {
    let on_thread = HANDLES.try_with(|handles| {
        let mut handles = handles.borrow_mut();
        handles.renew(validity);
        // A request that started before a reload must not have its numbers read in the new table.
        if handles.generation != generation {
            handles.generation = generation;
            handles.requests.clear();
        }
        record(handles.requests.entry(key).or_insert_with(&resolve));
    });
    // The thread is ending and its storage is gone.
    if on_thread.is_err() {
        record(&resolve());
    }
}

/// Counts one attempt.
pub(super) fn count_attempt(validity: Validity, key: AttemptKey, resolve: impl Fn() -> Counter) {
    let on_thread = HANDLES.try_with(|handles| {
        let mut handles = handles.borrow_mut();
        handles.renew(validity);
        handles.attempts.entry(key).or_insert_with(&resolve).inc();
    });
    if on_thread.is_err() {
        resolve().inc();
    }
}

impl Handles {
    fn renew(&mut self, validity: Validity) {
        if self.validity != validity {
            self.validity = validity;
            self.requests.clear();
            self.attempts.clear();
        }
    }
}
