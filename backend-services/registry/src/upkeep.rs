//! What the registry does unasked: suspect, probe, evict, save.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::task::AbortOnDropHandle;

use crate::domain::{Key, Probe};
use crate::probe::Prober;
use crate::state::Registry;

/// Probes under way at the same time.
const PROBES_MAX: usize = 64;

/// The pace of upkeep.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Between two looks at the leases; default 500 ms.
    pub tick: Duration,
    /// Between two probes of one suspect; default 2 s. Three failed ones count as evidence.
    pub probe_interval: Duration,
    /// How long a probe may take; default 1 s.
    pub probe_timeout: Duration,
    /// Between two rounds of eviction, of which each removes at most 15 %; default 5 s.
    pub round: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            tick: Duration::from_millis(500),
            probe_interval: Duration::from_secs(2),
            probe_timeout: Duration::from_secs(1),
            round: Duration::from_secs(5),
        }
    }
}

/// Starts upkeep; it ends when the handle is dropped.
pub(crate) fn start(
    registry: &Arc<Registry>,
    timing: Timing,
) -> anyhow::Result<AbortOnDropHandle<()>> {
    let upkeep = Upkeep {
        registry: Arc::clone(registry),
        prober: Prober::new(timing.probe_timeout)?,
        timing,
        probes: JoinSet::new(),
    };
    Ok(AbortOnDropHandle::new(tokio::spawn(upkeep.run())))
}

struct Upkeep {
    registry: Arc<Registry>,
    prober: Prober,
    timing: Timing,
    probes: JoinSet<(Probe, bool)>,
}

impl Upkeep {
    async fn run(mut self) {
        let mut ticks = tokio::time::interval(self.timing.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next_round = self.registry.now() + self.timing.round;
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    self.suspect();
                    self.send_probes();
                    if self.registry.now() >= next_round {
                        next_round = self.registry.now() + self.timing.round;
                        self.evict();
                    }
                    self.registry.save().await;
                }
                Some(answered) = self.probes.join_next() => {
                    // A probe that panicked has proved nothing.
                    let Ok((Probe { key, lease_id, .. }, alive)) = answered else { continue };
                    self.registry.change(|directory, _| directory.probed(&key, &lease_id, alive));
                }
            }
        }
    }

    fn suspect(&self) {
        let suspected = self
            .registry
            .change(|directory, now| directory.suspect_expired(now));
        for Key { service, id } in suspected {
            tracing::warn!(service, instance = id, "lease has run out; suspected");
        }
    }

    fn send_probes(&mut self) {
        let room = PROBES_MAX.saturating_sub(self.probes.len());
        let interval = self.timing.probe_interval;
        let due = self
            .registry
            .change(|directory, now| directory.due_probes(now, interval, room));
        for probe in due {
            let prober = self.prober.clone();
            self.probes.spawn(async move {
                let alive = prober.is_alive(&probe.target).await;
                (probe, alive)
            });
        }
    }

    fn evict(&self) {
        for Key { service, id } in self.registry.change(|directory, _| directory.evict()) {
            tracing::warn!(
                service,
                instance = id,
                "evicted: silent, and its probes failed"
            );
        }
    }
}
