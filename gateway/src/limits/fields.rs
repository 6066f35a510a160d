//! What a client learns of its limits: `RateLimit-Policy` and `RateLimit`.
//!
//! The fields are structured fields (RFC 9651) as
//! draft-ietf-httpapi-ratelimit-headers-11 spells them: `"per-customer";q=50;w=1` says fifty requests a
//! second, `"per-customer";r=4;t=1` that four of them are left for the next second. It is no RFC yet:
//! read it again when its number changes.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use route_table::table::Rate;

use super::limiters::Decision;

/// Problem type of a refused request, by the draft's §5.1; the status is `429`.
pub(crate) const QUOTA_EXCEEDED_TYPE: &str =
    "https://iana.org/assignments/http-problem-types#quota-exceeded";

/// Problem member with the names of the limits that were exceeded, by the draft's §5.1.
pub(crate) const VIOLATED_POLICIES: &str = "violated-policies";

const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// One limit's fields, prepared as far as they do not change.
#[derive(Debug)]
pub(crate) struct PolicyFields {
    policy: HeaderValue,
    /// `"name";r=`
    remaining_prefix: Box<str>,
    /// Requests of the announced window.
    quota: u32,
}

impl PolicyFields {
    pub(crate) fn new(name: &str, rate: Rate) -> Self {
        let name = structured_string(name);
        let (quota, window_s) = announced(rate);
        let policy = HeaderValue::try_from(format!("{name};q={quota};w={window_s}"))
            .expect("a structured string is printable ASCII");
        Self {
            policy,
            remaining_prefix: format!("{name};r=").into(),
            quota,
        }
    }

    /// Adds the fields of one decision; limits of one route stand side by side, as list members.
    pub(crate) fn write(&self, decision: &Decision, headers: &mut HeaderMap) {
        headers.append(RATELIMIT_POLICY, self.policy.clone());
        headers.append(
            RATELIMIT,
            self.state(decision.remaining, window_s(decision)),
        );
    }

    fn state(&self, remaining: u32, window_s: u64) -> HeaderValue {
        // A burst above the rate is not announced: more than the quota is never said to be left.
        let remaining = remaining.min(self.quota);
        let mut text = Vec::with_capacity(self.remaining_prefix.len() + 32);
        text.extend_from_slice(self.remaining_prefix.as_bytes());
        text.extend_from_slice(itoa::Buffer::new().format(remaining).as_bytes());
        text.extend_from_slice(b";t=");
        text.extend_from_slice(itoa::Buffer::new().format(window_s).as_bytes());
        HeaderValue::from_maybe_shared(bytes::Bytes::from(text))
            .expect("a structured string and two numbers are printable ASCII")
    }
}

/// How long what we say holds: until the next request fits when none is left, else until all is back.
/// `Retry-After` may not end earlier (§6); it is `retry_after`, rounded up alike.
fn window_s(decision: &Decision) -> u64 {
    let none_left = decision.remaining == 0;
    seconds_up(if none_left {
        decision.retry_after
    } else {
        decision.reset_after
    })
}

/// The rate as requests in whole seconds, which is all that `w` can say. A window that is not whole
/// seconds is stretched to the next, and the quota with it, rounded down.
fn announced(rate: Rate) -> (u32, u64) {
    let window_s = seconds_up(rate.period);
    let window_ns = u128::from(window_s) * 1_000_000_000;
    let period_ns = rate.period.as_nanos().max(1);
    let quota = u128::from(rate.count) * window_ns / period_ns;
    (u32::try_from(quota).unwrap_or(u32::MAX), window_s)
}

/// Whole seconds, rounded up, at least one.
fn seconds_up(duration: Duration) -> u64 {
    let whole = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    whole.max(1)
}

/// A string of RFC 9651 §3.3.3. It knows printable ASCII only; other characters become `_`.
fn structured_string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' '..='~' => quoted.push(character),
            _ => quoted.push('_'),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use route_table::table::LimitId;

    use super::*;

    fn rate(count: u32, period_ms: u64) -> Rate {
        Rate {
            count,
            period: Duration::from_millis(period_ms),
            burst: count * 2,
        }
    }

    fn decision(allowed: bool, remaining: u32, reset_ms: u64, retry_ms: u64) -> Decision {
        Decision {
            id: LimitId(0),
            allowed,
            enforce: true,
            remaining,
            reset_after: Duration::from_millis(reset_ms),
            retry_after: Duration::from_millis(retry_ms),
        }
    }

    #[track_caller]
    fn assert_fields(decision: &Decision, state: &str) {
        let mut headers = HeaderMap::new();
        PolicyFields::new("per-customer", rate(50, 1000)).write(decision, &mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"per-customer\";q=50;w=1");
        assert_eq!(headers["ratelimit"], state);
    }

    #[test]
    fn an_allowed_request_hears_what_is_left_and_for_how_long() {
        assert_fields(&decision(true, 4, 900, 0), "\"per-customer\";r=4;t=1");
        assert_fields(&decision(true, 4, 1001, 0), "\"per-customer\";r=4;t=2");
        assert_fields(&decision(true, 0, 2000, 20), "\"per-customer\";r=0;t=1");
    }

    #[test]
    fn a_refused_request_hears_when_to_come_back() {
        let refused = decision(false, 0, 9000, 2500);
        assert_fields(&refused, "\"per-customer\";r=0;t=3");
        assert_fields(&decision(false, 0, 9000, 1), "\"per-customer\";r=0;t=1");
    }

    #[test]
    fn more_than_the_quota_is_never_said_to_be_left() {
        assert_fields(&decision(true, 99, 20, 0), "\"per-customer\";r=50;t=1");
    }

    #[test]
    fn a_window_is_told_in_whole_seconds() {
        assert_eq!(announced(rate(50, 1000)), (50, 1));
        assert_eq!(announced(rate(100, 60_000)), (100, 60));
        assert_eq!(announced(rate(10, 500)), (20, 1));
        assert_eq!(announced(rate(10, 1500)), (13, 2));
    }

    #[test]
    fn a_name_is_a_structured_string() {
        assert_eq!(structured_string(r#"a "b" \c"#), r#""a \"b\" \\c""#);
        assert_eq!(structured_string("grün\n"), "\"gr_n_\"");
    }
}
