//! All registered instances, and what their owners may do with them.

use std::collections::{BTreeMap, BTreeSet};

use discovery::{Instance, Lease, Registration, ServiceView, Source, Status};

use super::entry::Entry;
use super::terms::{Key, Record, Refused, Registered, ServiceCount};
use crate::clock::Moment;
use crate::limits::{INSTANCES_MAX, SERVICES_MAX};

/// All registered instances.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(super) services: BTreeMap<String, Service>,
    pub(super) instances: usize,
    /// Rises with every change that a client can see.
    pub(super) index: u64,
    /// Index of the last change that left a service without instances: services that are not in
    /// `services` changed then at the latest.
    pub(super) emptied_at: u64,
    pub(super) unsaved: BTreeSet<Key>,
}

/// The instances of one service; never without any.
#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) changed_at: u64,
    pub(super) entries: BTreeMap<String, Entry>,
}

impl Directory {
    /// An empty directory. `index` must be above any that clients have seen before.
    pub(crate) fn new(index: u64) -> Self {
        Self {
            services: BTreeMap::new(),
            instances: 0,
            index,
            emptied_at: index,
            unsaved: BTreeSet::new(),
        }
    }

    /// Takes back what was on disk. Each instance gets one TTL to renew: it could not do so while
    /// the registry was away.
    pub(crate) fn restore(&mut self, now: Moment, records: Vec<Record>) {
        for Record {
            key,
            lease_id,
            status,
            registration,
        } in records
        {
            let mut entry = Entry {
                registration,
                lease_id,
                declared: status,
                expires_at: now,
                suspicion: None,
            };
            entry.expires_at += entry.ttl();
            let service = self.services.entry(key.service).or_default();
            if service.entries.insert(key.id, entry).is_none() {
                self.instances += 1;
            }
            self.index += 1;
            service.changed_at = self.index;
        }
    }

    /// Registers an instance, or replaces what it said before: a process that starts again takes
    /// its old name over, and the old lease ends.
    pub(crate) fn register(
        &mut self,
        now: Moment,
        key: &Key,
        registration: Registration,
        lease_id: String,
    ) -> Result<Registered, Refused> {
        self.ensure_own_word_wins(key, &registration)?;
        let known = self
            .entry(key)
            .map(|entry| entry.instance(&key.service, &key.id));
        if known.is_none() {
            self.ensure_room(&key.service)?;
        }
        self.drop_hearsay(key, &registration);
        let mut entry = Entry {
            registration,
            lease_id,
            declared: Status::Up,
            expires_at: now,
            suspicion: None,
        };
        entry.expires_at += entry.ttl();
        let lease = entry.lease();
        let changed = known.as_ref() != Some(&entry.instance(&key.service, &key.id));
        let service = self.services.entry(key.service.clone()).or_default();
        service.entries.insert(key.id.clone(), entry);
        self.instances += usize::from(known.is_none());
        if changed {
            self.bump(&key.service);
        }
        self.unsaved.insert(key.clone());
        Ok(Registered {
            lease,
            created: known.is_none(),
        })
    }

    /// Prolongs a lease by its TTL from now.
    pub(crate) fn renew(
        &mut self,
        now: Moment,
        key: &Key,
        lease_id: &str,
    ) -> Result<Lease, Refused> {
        let entry = self.held_by(key, lease_id)?;
        let before = entry.status();
        entry.expires_at = now + entry.ttl();
        entry.suspicion = None;
        let changed = entry.status() != before;
        let lease = entry.lease();
        if changed {
            self.bump(&key.service);
        }
        Ok(lease)
    }

    /// Notes what an instance says about itself.
    pub(crate) fn set_status(
        &mut self,
        key: &Key,
        lease_id: &str,
        status: Status,
    ) -> Result<(), Refused> {
        if status == Status::Suspect {
            return Err(Refused::NotToBeSaid);
        }
        let entry = self.held_by(key, lease_id)?;
        let before = entry.status();
        entry.declared = status;
        if entry.status() != before {
            self.bump(&key.service);
        }
        self.unsaved.insert(key.clone());
        Ok(())
    }

    /// Removes an instance at its owner's wish.
    pub(crate) fn deregister(&mut self, key: &Key, lease_id: &str) -> Result<(), Refused> {
        self.held_by(key, lease_id)?;
        self.remove(key);
        Ok(())
    }

    /// A service's instances, those to prefer first.
    pub(crate) fn view(&self, service: &str) -> ServiceView {
        let mut instances: Vec<Instance> = self
            .services
            .get(service)
            .into_iter()
            .flat_map(|found| &found.entries)
            .map(|(id, entry)| entry.instance(service, id))
            .collect();
        instances.sort_by_key(|instance| preference(instance.status));
        ServiceView {
            index: self.index,
            instances,
        }
    }

    /// Whether a client that knows `index` has missed a change of this service. An index from the
    /// future means that the registry has lost its memory, and the client's list with it.
    pub(crate) fn has_changed_since(&self, service: &str, index: u64) -> bool {
        let changed_at = self
            .services
            .get(service)
            .map_or(self.emptied_at, |found| found.changed_at);
        changed_at > index || index > self.index
    }

    /// All services, by name.
    pub(crate) fn services(&self) -> Vec<ServiceCount> {
        self.services
            .iter()
            .map(|(name, service)| ServiceCount {
                name: name.clone(),
                instances: service.entries.len(),
                up: service
                    .entries
                    .values()
                    .filter(|e| e.status() == Status::Up)
                    .count(),
            })
            .collect()
    }

    /// Index of the last change.
    pub(crate) fn index(&self) -> u64 {
        self.index
    }

    /// What has changed on disk since the last call: each instance as it is now, `None` if it is
    /// gone.
    pub(crate) fn take_unsaved(&mut self) -> Vec<(Key, Option<Record>)> {
        let keys = std::mem::take(&mut self.unsaved);
        keys.into_iter()
            .map(|key| (key.clone(), self.record(key)))
            .collect()
    }

    /// Gives back what could not be saved.
    pub(crate) fn still_unsaved(&mut self, keys: impl IntoIterator<Item = Key>) {
        self.unsaved.extend(keys);
    }

    fn record(&self, key: Key) -> Option<Record> {
        let entry = self.entry(&key)?;
        Some(Record {
            lease_id: entry.lease_id.clone(),
            status: entry.declared,
            registration: entry.registration.clone(),
            key,
        })
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (Key, &Entry)> {
        self.services.iter().flat_map(|(name, service)| {
            service.entries.iter().map(|(id, entry)| {
                (
                    Key {
                        service: name.clone(),
                        id: id.clone(),
                    },
                    entry,
                )
            })
        })
    }

    fn entry(&self, key: &Key) -> Option<&Entry> {
        self.services.get(&key.service)?.entries.get(&key.id)
    }

    pub(super) fn held_by(&mut self, key: &Key, lease_id: &str) -> Result<&mut Entry, Refused> {
        let entry = self
            .services
            .get_mut(&key.service)
            .and_then(|service| service.entries.get_mut(&key.id))
            .ok_or(Refused::Unknown)?;
        if entry.lease_id == lease_id {
            Ok(entry)
        } else {
            Err(Refused::AnothersLease)
        }
    }

    /// A registrar must not overwrite what an instance says of itself, under whichever id.
    fn ensure_own_word_wins(&self, key: &Key, new: &Registration) -> Result<(), Refused> {
        if new.source == Source::Itself {
            return Ok(());
        }
        let spoken_for = self.services.get(&key.service).is_some_and(|service| {
            service.entries.iter().any(|(id, entry)| {
                entry.registration.source == Source::Itself && (*id == key.id || entry.is_at(new))
            })
        });
        if spoken_for {
            return Err(Refused::RegistersItself);
        }
        Ok(())
    }

    /// Once an instance speaks for itself, what a registrar said of the same address goes.
    fn drop_hearsay(&mut self, key: &Key, new: &Registration) {
        if new.source == Source::Registrar {
            return;
        }
        let hearsay: Vec<Key> = self
            .services
            .get(&key.service)
            .into_iter()
            .flat_map(|service| &service.entries)
            .filter(|(id, entry)| {
                **id != key.id && entry.registration.source == Source::Registrar && entry.is_at(new)
            })
            .map(|(id, _)| Key {
                service: key.service.clone(),
                id: id.clone(),
            })
            .collect();
        for key in &hearsay {
            self.remove(key);
        }
    }

    fn ensure_room(&self, service: &str) -> Result<(), Refused> {
        let service_fits =
            self.services.contains_key(service) || self.services.len() < SERVICES_MAX;
        if service_fits && self.instances < INSTANCES_MAX {
            Ok(())
        } else {
            Err(Refused::Full)
        }
    }

    pub(super) fn remove(&mut self, key: &Key) {
        let Some(service) = self.services.get_mut(&key.service) else {
            return;
        };
        if service.entries.remove(&key.id).is_none() {
            return;
        }
        self.instances -= 1;
        self.bump(&key.service);
        self.unsaved.insert(key.clone());
    }

    /// Counts a visible change of a service, and forgets the service when it is empty.
    fn bump(&mut self, name: &str) {
        self.index += 1;
        match self.services.get_mut(name) {
            Some(service) if !service.entries.is_empty() => service.changed_at = self.index,
            _ => {
                self.services.remove(name);
                self.emptied_at = self.index;
            }
        }
    }
}

fn preference(status: Status) -> u8 {
    match status {
        Status::Up => 0,
        Status::Suspect => 1,
        Status::Draining => 2,
        Status::Down => 3,
    }
}
