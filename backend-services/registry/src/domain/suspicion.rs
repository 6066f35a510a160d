//! What happens to instances whose lease has run out: suspicion, probes, eviction.

use std::collections::HashSet;
use std::time::Duration;

use super::directory::Directory;
use super::entry::{Entry, Suspicion};
use super::terms::{Key, Probe, ProbeTarget};
use crate::clock::Moment;

/// Share of all instances that one round may evict, in percent; at least one instance.
const EVICTED_PERCENT_MAX: usize = 15;

impl Directory {
    /// Suspects every instance whose lease has run out, and names those it did not suspect before.
    pub(crate) fn suspect_expired(&mut self, now: Moment) -> Vec<Key> {
        let index = self.index + 1;
        let mut suspected = Vec::new();
        for (name, service) in &mut self.services {
            for (id, entry) in &mut service.entries {
                if entry.suspicion.is_none() && entry.expires_at <= now {
                    let before = entry.status();
                    entry.suspicion = Some(Suspicion {
                        probe_at: now,
                        failed_probes: 0,
                        superseded: false,
                    });
                    suspected.push(Key {
                        service: name.clone(),
                        id: id.clone(),
                    });
                    if entry.status() != before {
                        service.changed_at = index;
                        self.index = index;
                    }
                }
            }
        }
        suspected
    }

    /// Whether any lease has run out.
    pub(crate) fn has_suspects(&self) -> bool {
        self.entries().any(|(_, entry)| entry.suspicion.is_some())
    }

    /// The probes that are due, at most `count`; each is due again after `interval`, whether it is
    /// answered or not.
    pub(crate) fn due_probes(
        &mut self,
        now: Moment,
        interval: Duration,
        count: usize,
    ) -> Vec<Probe> {
        let mut due = Vec::new();
        for (name, service) in &mut self.services {
            for (id, entry) in &mut service.entries {
                let Some(suspicion) = &mut entry.suspicion else {
                    continue;
                };
                if due.len() < count && suspicion.probe_at <= now {
                    suspicion.probe_at = now + interval;
                    due.push(Probe {
                        key: Key {
                            service: name.clone(),
                            id: id.clone(),
                        },
                        lease_id: entry.lease_id.clone(),
                        target: ProbeTarget::of(&entry.registration),
                    });
                }
            }
        }
        due
    }

    /// Notes a probe's outcome, unless the instance has renewed or changed hands meanwhile.
    pub(crate) fn probed(&mut self, key: &Key, lease_id: &str, healthy: bool) {
        let Ok(entry) = self.held_by(key, lease_id) else {
            return;
        };
        if let Some(suspicion) = &mut entry.suspicion {
            suspicion.failed_probes = if healthy {
                0
            } else {
                suspicion.failed_probes.saturating_add(1)
            };
        }
    }

    /// One round: removes suspects that there is evidence against, those that have been silent the
    /// longest first.
    pub(crate) fn evict(&mut self) -> Vec<Key> {
        self.mark_superseded();
        let mut proven: Vec<(Moment, Key)> = self
            .entries()
            .filter(|(_, entry)| entry.suspicion.as_ref().is_some_and(Suspicion::is_proven))
            .map(|(key, entry)| (entry.expires_at, key))
            .collect();
        proven.sort_unstable();
        proven.truncate((self.instances * EVICTED_PERCENT_MAX / 100).max(1));
        let evicted: Vec<Key> = proven.into_iter().map(|(_, key)| key).collect();
        for key in &evicted {
            self.remove(key);
        }
        evicted
    }

    /// A port that another, live instance listens on can't be the suspect's any more. Its probes
    /// would be answered, by the wrong one, for ever.
    fn mark_superseded(&mut self) {
        if !self.has_suspects() {
            return;
        }
        let alive: HashSet<(String, u16)> = self
            .entries()
            .filter(|(_, entry)| entry.suspicion.is_none())
            .map(|(_, entry)| (entry.registration.addr.clone(), entry.registration.port))
            .collect();
        let entries = self
            .services
            .values_mut()
            .flat_map(|service| service.entries.values_mut());
        for Entry {
            registration,
            suspicion,
            ..
        } in entries
        {
            if let Some(suspicion) = suspicion {
                suspicion.superseded =
                    alive.contains(&(registration.addr.clone(), registration.port));
            }
        }
    }
}
