//! Active health checks: asks endpoints how they are, on the upstream's schedule.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use route_table::table::{HealthCheck, HealthProbe};

use crate::balance::Endpoint;
use crate::control::supervised;
use crate::upstream::UpstreamState;

/// Starts checking an upstream that asks for it.
pub(super) fn watch(upstream: &Arc<UpstreamState>) {
    let Some(check) = upstream.config.health.clone() else {
        return;
    };
    let weak = Arc::downgrade(upstream);
    drop(supervised("health", move || {
        check_regularly(Weak::clone(&weak), check.clone())
    }));
}

async fn check_regularly(upstream: Weak<UpstreamState>, check: HealthCheck) {
    let client = match reqwest::Client::builder()
        .timeout(check.timeout)
        .redirect(reqwest::redirect::Policy::none())
        .pool_idle_timeout(Duration::from_secs(4))
        .no_proxy()
        .build()
    {
        Ok(client) => client,
        Err(error) => return tracing::error!(%error, "health checks cannot start"),
    };
    let mut ticks = tokio::time::interval(check.interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut streaks = HashMap::new();
    loop {
        ticks.tick().await;
        let Some(upstream) = upstream.upgrade() else {
            return;
        };
        let endpoints = Arc::clone(&upstream.endpoints());
        let asked = endpoints
            .iter()
            .map(|endpoint| ask(&client, endpoint, &check.probe));
        let answers = join_all(asked).await;
        streaks.retain(|id, _| endpoints.iter().any(|endpoint| endpoint.id == *id));
        for (endpoint, passed) in endpoints.iter().zip(answers) {
            let streak: &mut Streak = streaks.entry(endpoint.id).or_default();
            if let Some(healthy) = streak.add(passed, &check)
                && endpoint.set_healthy(healthy)
            {
                let (upstream, endpoint) = (&upstream.config.name, &endpoint.authority);
                tracing::info!(%upstream, %endpoint, healthy, "endpoint health changed");
            }
        }
    }
}

async fn ask(client: &reqwest::Client, endpoint: &Endpoint, probe: &HealthProbe) -> bool {
    let HealthProbe::Http { path } = probe else {
        return true;
    };
    let url = format!("http://{}{path}", endpoint.authority);
    client
        .get(url)
        .send()
        .await
        .is_ok_and(|response| response.status().is_success())
}

/// Equal verdicts in a row.
#[derive(Debug, Default)]
struct Streak {
    passed: bool,
    length: u32,
}

impl Streak {
    /// Adds a verdict; `Some` when there are enough of it to believe.
    fn add(&mut self, passed: bool, check: &HealthCheck) -> Option<bool> {
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
        (self.length >= enough).then_some(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check() -> HealthCheck {
        HealthCheck {
            probe: HealthProbe::Http {
                path: "/readyz".into(),
            },
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            unhealthy_after: 3,
            healthy_after: 2,
        }
    }

    #[track_caller]
    fn verdicts(answers: &[bool]) -> Vec<Option<bool>> {
        let mut streak = Streak::default();
        answers
            .iter()
            .map(|passed| streak.add(*passed, &check()))
            .collect()
    }

    #[test]
    fn three_failures_in_a_row_are_believed() {
        assert_eq!(verdicts(&[false, false, false]), [None, None, Some(false)]);
        assert_eq!(verdicts(&[false, false, true, false]), [None; 4]);
    }

    #[test]
    fn two_successes_in_a_row_are_believed() {
        assert_eq!(verdicts(&[true, true]), [None, Some(true)]);
    }
}
