//! The time that a whole answer may take.

use std::time::Duration;

use tokio::time::Instant;

/// Share of the remaining time that is kept back to put the answer together and send it.
const KEPT_BACK_PERCENT: u32 = 10;

/// One deadline for all parts of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    deadline: Instant,
}

impl Budget {
    /// The caller's deadline, or `longest` from now if that is earlier.
    #[must_use]
    pub fn of_request(longest: Duration) -> Self {
        let longest = Instant::now() + longest;
        let deadline = chassis::Context::current().deadline;
        Self {
            deadline: deadline.map_or(longest, |deadline| deadline.min(longest)),
        }
    }

    /// What a part that begins now may take: its own timeout, or what is left less a tenth.
    #[must_use]
    pub fn for_part(&self, own: Duration) -> Duration {
        let left = self.deadline.saturating_duration_since(Instant::now());
        own.min(left * (100 - KEPT_BACK_PERCENT) / 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_gets_its_own_timeout_while_there_is_time() {
        let budget = Budget::of_request(Duration::from_secs(2));
        assert_eq!(
            budget.for_part(Duration::from_secs(1)),
            Duration::from_secs(1)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenth_of_what_is_left_is_kept_back() {
        let budget = Budget::of_request(Duration::from_secs(2));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(
            budget.for_part(Duration::from_secs(5)),
            Duration::from_millis(900)
        );
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(budget.for_part(Duration::from_secs(5)), Duration::ZERO);
    }
}
