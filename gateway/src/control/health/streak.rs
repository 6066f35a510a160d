//! Verdicts in a row.

use route_table::table::HealthCheck;

/// Equal outcomes in a row.
#[derive(Debug, Default)]
pub(super) struct Streak {
    passed: bool,
    length: u32,
}

impl Streak {
    /// Adds an outcome; true when there are enough like it to believe.
    pub(super) fn add(&mut self, passed: bool, check: &HealthCheck) -> bool {
        if self.passed == passed {
            self.length = self.length.saturating_add(1);
        } else {
            *self = Self { passed, length: 1 };
        }
        let enough = if passed {
            check.healthy_after
        } else {
            check.unhealthy_after
        };
        self.length >= enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use route_table::table::HealthProbe;

    use super::*;

    fn check() -> HealthCheck {
        HealthCheck {
            probe: HealthProbe::Tcp,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            unhealthy_after: 3,
            healthy_after: 2,
        }
    }

    #[track_caller]
    fn believed(outcomes: &[bool]) -> Vec<bool> {
        let mut streak = Streak::default();
        let mut add = |passed: &bool| streak.add(*passed, &check());
        outcomes.iter().map(&mut add).collect()
    }

    #[test]
    fn three_failures_in_a_row_are_believed() {
        assert_eq!(believed(&[false, false, false]), [false, false, true]);
        assert_eq!(believed(&[false, false, true, false]), [false; 4]);
    }

    #[test]
    fn two_successes_in_a_row_are_believed() {
        assert_eq!(believed(&[true, true]), [false, true]);
    }
}
