//! What must hold after any history of requests, silences and probes.

use std::collections::BTreeMap;
use std::time::Duration;

use discovery::{Registration, Source, Status};
use proptest::prelude::*;

use super::tests::{INDEX, at, key, on_port, probe_all, status};
use super::{Directory, Key, Refused};
use crate::clock::Moment;

/// One step of a history.
#[derive(Debug, Clone)]
enum Step {
    Register {
        who: u8,
        port: u16,
        registrar: bool,
        ttl_s: u32,
    },
    Renew {
        who: u8,
        rightly: bool,
    },
    Say {
        who: u8,
        status: Status,
    },
    Deregister {
        who: u8,
    },
    Pass {
        secs: u64,
    },
    Probe {
        alive: u8,
    },
    Evict,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..12_u8;
    let said = prop_oneof![Just(Status::Up), Just(Status::Draining), Just(Status::Down)];
    let step = prop_oneof![
        4 => (who.clone(), 1..16_u16, any::<bool>(), 1..20_u32).prop_map(
            |(who, port, registrar, ttl_s)| Step::Register { who, port, registrar, ttl_s }
        ),
        3 => (who.clone(), proptest::bool::weighted(0.9))
            .prop_map(|(who, rightly)| Step::Renew { who, rightly }),
        1 => (who.clone(), said).prop_map(|(who, status)| Step::Say { who, status }),
        1 => who.prop_map(|who| Step::Deregister { who }),
        3 => (0..12_u64).prop_map(|secs| Step::Pass { secs }),
        3 => any::<u8>().prop_map(|alive| Step::Probe { alive }),
        3 => Just(Step::Evict),
    ];
    proptest::collection::vec(step, 1..80)
}

/// What a lease looks like from outside: the naive oracle.
#[derive(Debug, Clone)]
struct Held {
    lease_id: String,
    expires_at: Moment,
    source: Source,
}

/// Runs a history beside a naive record of who holds which lease.
#[derive(Debug)]
struct History {
    directory: Directory,
    held: BTreeMap<Key, Held>,
    now: Moment,
    leases: u32,
}

impl History {
    fn who(who: u8) -> Key {
        key(
            ["order", "catalog", "stock"][usize::from(who % 3)],
            &format!("i{}", who / 3),
        )
    }

    fn lease_of(&self, key: &Key) -> String {
        self.held
            .get(key)
            .map_or_else(String::new, |held| held.lease_id.clone())
    }

    fn take(&mut self, step: &Step) {
        match step.clone() {
            Step::Register {
                who,
                port,
                registrar,
                ttl_s,
            } => self.register(who, port, registrar, ttl_s),
            Step::Renew { who, rightly } => {
                let key = Self::who(who);
                let lease = if rightly {
                    self.lease_of(&key)
                } else {
                    "wrong".to_owned()
                };
                let renewed = self.directory.renew(self.now, &key, &lease);
                assert_eq!(renewed.is_ok(), rightly && self.held.contains_key(&key));
                if let Ok(lease) = renewed {
                    let ttl = Duration::from_secs_f64(lease.renew_every_s * 3.0);
                    self.held.get_mut(&key).unwrap().expires_at = self.now + ttl;
                }
            }
            Step::Say { who, status } => {
                let key = Self::who(who);
                let lease = self.lease_of(&key);
                let said = self.directory.set_status(&key, &lease, status);
                assert_eq!(said.is_ok(), self.held.contains_key(&key));
            }
            Step::Deregister { who } => {
                let key = Self::who(who);
                let lease = self.lease_of(&key);
                let gone = self.directory.deregister(&key, &lease);
                assert_eq!(gone.is_ok(), self.held.remove(&key).is_some());
            }
            Step::Pass { secs } => {
                self.now += Duration::from_secs(secs);
                self.directory.suspect_expired(self.now);
            }
            Step::Probe { alive } => {
                probe_all(&mut self.directory, self.now, |key| {
                    (alive >> ((key.id.len() + key.service.len()) % 8)) & 1 == 1
                });
            }
            Step::Evict => self.evict(),
        }
    }

    fn register(&mut self, who: u8, port: u16, registrar: bool, ttl_s: u32) {
        let key = Self::who(who);
        self.leases += 1;
        let lease_id = format!("lease-{}", self.leases);
        let source = if registrar {
            Source::Registrar
        } else {
            Source::Itself
        };
        let registration = Registration {
            source,
            ttl_s,
            ..on_port(port)
        };
        let registered = self
            .directory
            .register(self.now, &key, registration, lease_id.clone());
        let own_word = self
            .held
            .get(&key)
            .is_some_and(|held| held.source == Source::Itself);
        if registrar && own_word {
            assert_eq!(registered, Err(Refused::RegistersItself));
        }
        if registered.is_ok() {
            let expires_at = self.now + Duration::from_secs(u64::from(ttl_s));
            self.held.insert(
                key,
                Held {
                    lease_id,
                    expires_at,
                    source,
                },
            );
        }
        // Hearsay about the address of one who speaks for himself is dropped.
        let directory = &self.directory;
        self.held
            .retain(|key, held| held.source == Source::Itself || status(directory, key).is_some());
    }

    fn evict(&mut self) {
        let before = self.held.len();
        let evicted = self.directory.evict();
        assert!(evicted.len() <= (before * 15 / 100).max(1));
        for key in evicted {
            let held = self
                .held
                .remove(&key)
                .expect("only what is held can be evicted");
            assert!(
                held.expires_at <= self.now,
                "{key:?} was evicted with a valid lease"
            );
        }
    }

    fn check(&self) {
        let counted: usize = self.directory.services().iter().map(|s| s.instances).sum();
        assert_eq!(counted, self.held.len());
        for (key, held) in &self.held {
            let status = status(&self.directory, key).expect("what is held is listed");
            assert!(
                status != Status::Suspect || held.expires_at <= self.now,
                "{key:?} is suspected with a valid lease"
            );
        }
        assert!(
            self.directory
                .services()
                .iter()
                .all(|service| service.instances > 0)
        );
    }
}

proptest! {
    #[test]
    fn after_any_history_the_directory_agrees_with_who_holds_which_lease(steps in steps()) {
        let mut history = History {
            directory: Directory::new(INDEX),
            held: BTreeMap::new(),
            now: at(0),
            leases: 0,
        };
        for step in &steps {
            let services = ["order", "catalog", "stock"];
            let before: Vec<_> = services.map(|s| history.directory.view(s)).into();
            history.take(step);
            history.check();
            for (service, before) in services.iter().zip(before) {
                let after = history.directory.view(service);
                prop_assert!(after.index >= before.index);
                if after.instances != before.instances {
                    prop_assert!(history.directory.has_changed_since(service, before.index));
                }
            }
        }
    }
}
