//! A new or recovered endpoint gets its share little by little.

use std::time::Duration;

use crate::balance::instant::Instant;
use crate::defaults::SLOW_START_SHARE_MIN;

/// A whole share.
pub(super) const WHOLE: u32 = 1_000;

/// How much of its weight an endpoint has, in thousandths: a line from a tenth, with which it starts to
/// warm up, to the whole after `ramp`.
pub(super) fn share(ready_since: Instant, now: Instant, ramp: Duration) -> u32 {
    let age = now.since(ready_since);
    if age >= ramp {
        return WHOLE;
    }
    let share = age.as_nanos() * u128::from(WHOLE) / ramp.as_nanos().max(1);
    u32::try_from(share)
        .unwrap_or(WHOLE)
        .clamp(SLOW_START_SHARE_MIN, WHOLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_in_a_line_from_a_tenth_to_the_whole() {
        let ramp = Duration::from_secs(10);
        let after = |millis: u64| {
            let found = Instant(5);
            share(found, found.after(Duration::from_millis(millis)), ramp)
        };
        assert_eq!(
            [0, 500, 1_000, 2_500, 5_000, 9_999, 10_000, 60_000].map(after),
            [100, 100, 100, 250, 500, 999, 1_000, 1_000]
        );
    }

    #[test]
    fn no_ramp_is_the_whole_at_once() {
        assert_eq!(share(Instant(5), Instant(5), Duration::ZERO), WHOLE);
    }
}
