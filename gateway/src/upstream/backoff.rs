//! How long to wait before another attempt.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use route_table::table::RetryPolicy;

/// A random share of a pause that doubles from retry to retry (full jitter: "Exponential Backoff And
/// Jitter", AWS Architecture Blog, 2015). `nth` counts from 1; `random` is any 64 random bits.
pub(super) fn pause(policy: &RetryPolicy, nth: u32, random: u64) -> Duration {
    let doubled = 1_u32.checked_shl(nth.saturating_sub(1)).unwrap_or(u32::MAX);
    let longest = policy
        .backoff
        .saturating_mul(doubled)
        .min(policy.backoff_max);
    let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
    let share = (u128::from(random) * u128::from(nanos)) >> 64;
    Duration::from_nanos(u64::try_from(share).unwrap_or(nanos))
}

/// The pause that an upstream asks for, in seconds; `None` when it asks for none. A date, or what
/// can't be read, is longer than any pause of ours.
pub(super) fn asked_for(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?;
    let seconds = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok());
    Some(seconds.map_or(Duration::MAX, Duration::from_secs))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn policy() -> RetryPolicy {
        let text = "version: 1\nlisteners: [{ bind: '127.0.0.1:0' }]\n\
                    upstreams: { a: { endpoints: ['http://127.0.0.1:1'] } }\n\
                    routes: [{ match: { prefix: / }, to: { upstream: a } }]\n";
        crate::routing::table_for_test(text).routes[0]
            .policy
            .retries
            .clone()
    }

    #[test]
    fn the_longest_pause_doubles_up_to_its_limit() {
        let longest: Vec<_> = (1..=6)
            .map(|nth| pause(&policy(), nth, u64::MAX).as_millis())
            .collect();
        assert_eq!(longest, [24, 49, 99, 199, 249, 249]);
        assert_eq!(pause(&policy(), 1, 0), Duration::ZERO);
    }

    #[test]
    fn an_upstream_may_ask_for_a_longer_one() {
        let headers = |value| {
            let value = HeaderValue::from_static(value);
            HeaderMap::from_iter([(RETRY_AFTER, value)])
        };
        assert_eq!(asked_for(&headers("2")), Some(Duration::from_secs(2)));
        let date = headers("Wed, 21 Oct 2026 07:28:00 GMT");
        assert_eq!(asked_for(&date), Some(Duration::MAX));
        assert_eq!(asked_for(&HeaderMap::new()), None);
    }
}
