//! Who is refused first when there is too much to do.

use route_table::table::{Overload, Priority};

use crate::defaults::{LOW_PRIORITY_PERCENT, NORMAL_PRIORITY_PERCENT};

/// Whether another request of this priority is let in while so many are open, itself included.
pub(crate) fn admits(overload: Overload, priority: Priority, open: u64) -> bool {
    let percent = match priority {
        Priority::Low => LOW_PRIORITY_PERCENT,
        Priority::Normal => NORMAL_PRIORITY_PERCENT,
        Priority::High => 100,
    };
    open * 100 <= u64::from(overload.requests) * percent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_priority_ends_first_and_high_last() {
        let overload = Overload { requests: 100 };
        for (open, admitted) in [
            (80, [true, true, true]),
            (81, [false, true, true]),
            (95, [false, true, true]),
            (96, [false, false, true]),
            (100, [false, false, true]),
            (101, [false, false, false]),
        ] {
            let by_priority = [Priority::Low, Priority::Normal, Priority::High]
                .map(|priority| admits(overload, priority, open));
            assert_eq!(by_priority, admitted, "{open} open");
        }
    }
}
