//! What a request carries from hop to hop.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use telemetry::trace::TraceContext;
use tokio::time::Instant;

/// Milliseconds that are left for the whole request.
pub const DEADLINE_HEADER: HeaderName = HeaderName::from_static("x-request-deadline-ms");

pub(crate) const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Longest request id that is taken over, in bytes.
const REQUEST_ID_LEN_MAX: usize = 128;

/// Longest deadline that is kept; a later one is cut to it.
const DEADLINE_MAX: Duration = Duration::from_secs(3600);

/// Trace, request id and deadline of the request being handled.
#[derive(Debug, Clone)]
pub struct Context {
    pub trace: TraceContext,
    /// Passed on as it came.
    pub tracestate: Option<HeaderValue>,
    pub request_id: String,
    /// When the caller stops waiting; `None`: it did not say.
    pub deadline: Option<Instant>,
}

tokio::task_local! {
    static CURRENT: Context;
}

impl Context {
    /// The context of the request being handled; outside one, a fresh one.
    #[must_use]
    pub fn current() -> Self {
        CURRENT
            .try_with(Clone::clone)
            .unwrap_or_else(|_| Self::fresh())
    }

    /// Runs `work` within this context. A task that a handler spawns has none unless it is wrapped.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// Time left until the deadline; `None` when there is none.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Continues what a request's headers say, or starts anew.
    pub(crate) fn of_request(headers: &HeaderMap) -> Self {
        let caller = only(headers, &TRACEPARENT).and_then(TraceContext::parse);
        let tracestate = caller.and_then(|_| tracestate(headers));
        let request_id = only(headers, &REQUEST_ID_HEADER).filter(|id| is_request_id(id));
        let left = only(headers, &DEADLINE_HEADER).and_then(|ms| ms.parse().ok());
        let left = left.map(|ms| Duration::from_millis(ms).min(DEADLINE_MAX));
        Self {
            trace: caller.map_or_else(TraceContext::start, |caller| caller.child()),
            tracestate,
            request_id: request_id.map_or_else(new_request_id, ToOwned::to_owned),
            deadline: left.map(|left| Instant::now() + left),
        }
    }

    /// Writes the context for a hop that we wait `patience` for, as a child span.
    pub(crate) fn write(&self, headers: &mut HeaderMap, patience: Duration) {
        let traceparent = HeaderValue::from_bytes(&self.trace.child().traceparent());
        if let Ok(traceparent) = traceparent {
            headers.insert(TRACEPARENT, traceparent);
        }
        if let Some(tracestate) = &self.tracestate {
            headers.insert(TRACESTATE, tracestate.clone());
        }
        if let Ok(id) = HeaderValue::from_str(&self.request_id) {
            headers.insert(REQUEST_ID_HEADER, id);
        }
        let ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        headers.insert(DEADLINE_HEADER, HeaderValue::from(ms));
    }

    fn fresh() -> Self {
        Self {
            trace: TraceContext::start(),
            tracestate: None,
            request_id: new_request_id(),
            deadline: None,
        }
    }
}

/// A header's value when it is there once: of two that disagree, neither can be trusted.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// The list of vendors' states; its parts may come in several headers, whose order counts.
fn tracestate(headers: &HeaderMap) -> Option<HeaderValue> {
    let parts: Vec<&[u8]> = headers
        .get_all(&TRACESTATE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    match parts.as_slice() {
        [] => None,
        [one] => HeaderValue::from_bytes(one).ok(),
        several => HeaderValue::from_bytes(&several.join(&b","[..])).ok(),
    }
}

fn new_request_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// An id that can't forge a log line.
fn is_request_id(id: &str) -> bool {
    (1..=REQUEST_ID_LEN_MAX).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        headers
    }

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn the_callers_trace_is_continued_in_a_new_span() {
        let caller = TraceContext::parse(TRACE).expect("valid");
        let context =
            Context::of_request(&headers(&[("traceparent", TRACE), ("tracestate", "a=1")]));
        assert_eq!(context.trace.trace_id, caller.trace_id);
        assert_ne!(context.trace.span_id, caller.span_id);
        assert_eq!(context.tracestate.expect("kept"), "a=1");
    }

    #[test]
    fn a_tracestate_without_a_valid_traceparent_is_dropped() {
        let context = Context::of_request(&headers(&[("traceparent", "x"), ("tracestate", "a=1")]));
        assert_eq!(context.tracestate, None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_shrinks_as_time_passes() {
        let context = Context::of_request(&headers(&[("x-request-deadline-ms", "1000")]));
        tokio::time::advance(Duration::from_millis(400)).await;
        assert_eq!(context.remaining(), Some(Duration::from_millis(600)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(context.remaining(), Some(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_beyond_reason_is_cut_and_garbage_is_none() {
        let context = Context::of_request(&headers(&[(
            "x-request-deadline-ms",
            "18446744073709551615",
        )]));
        assert_eq!(context.remaining(), Some(DEADLINE_MAX));
        for garbage in ["", "-1", "1.5", "soon", "99999999999999999999999"] {
            let context = Context::of_request(&headers(&[("x-request-deadline-ms", garbage)]));
            assert_eq!(context.remaining(), None, "{garbage}");
        }
    }

    #[test]
    fn the_next_hop_gets_the_trace_in_a_span_of_its_own_and_the_rest_as_it_is() {
        let given = [
            ("traceparent", TRACE),
            ("tracestate", "a=1,b=2"),
            ("x-request-id", "abc"),
        ];
        let context = Context::of_request(&headers(&given));
        let mut next = HeaderMap::new();
        context.write(&mut next, Duration::from_millis(600));
        let sent = TraceContext::parse(next[TRACEPARENT].to_str().unwrap()).expect("valid");
        assert_eq!(sent.trace_id, context.trace.trace_id);
        assert_ne!(sent.span_id, context.trace.span_id);
        assert_eq!(next[TRACESTATE], "a=1,b=2");
        assert_eq!(next[REQUEST_ID_HEADER], "abc");
        assert_eq!(next[DEADLINE_HEADER], "600");
    }

    #[test]
    fn a_tracestate_in_several_headers_is_joined_in_order() {
        let given = [
            ("traceparent", TRACE),
            ("tracestate", "a=1"),
            ("tracestate", "b=2"),
        ];
        assert_eq!(
            Context::of_request(&headers(&given))
                .tracestate
                .expect("kept"),
            "a=1,b=2"
        );
    }

    #[test]
    fn of_two_traceparents_none_is_believed() {
        let other = "00-ffffffffffffffffffffffffffffffff-b7ad6b7169203331-01";
        let context =
            Context::of_request(&headers(&[("traceparent", TRACE), ("traceparent", other)]));
        assert_ne!(
            context.trace.trace_id,
            TraceContext::parse(TRACE).unwrap().trace_id
        );
        assert_ne!(
            context.trace.trace_id,
            TraceContext::parse(other).unwrap().trace_id
        );
    }

    #[test]
    fn an_id_that_could_forge_a_log_line_is_replaced() {
        let context = Context::of_request(&headers(&[("x-request-id", "a\"b")]));
        assert_eq!(context.request_id.len(), 32);
    }

    #[tokio::test]
    async fn a_scope_makes_the_context_current() {
        let context = Context::of_request(&headers(&[("x-request-id", "abc")]));
        let id = context.scope(async { Context::current().request_id }).await;
        assert_eq!(id, "abc");
    }
}
