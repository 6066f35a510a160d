//! One registered instance: what it says, its lease, and what is held against it.

use std::time::Duration;

use discovery::{Instance, Lease, Registration, Status};

use crate::clock::Moment;

/// Failed probes in a row that count as evidence.
const FAILED_PROBES_TO_EVICT: u32 = 3;

/// One registration and its lease.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) registration: Registration,
    pub(super) lease_id: String,
    /// What its owner says.
    pub(super) declared: Status,
    pub(super) expires_at: Moment,
    /// Set while the lease has run out.
    pub(super) suspicion: Option<Suspicion>,
}

/// What is held against an instance whose lease has run out.
#[derive(Debug)]
pub(super) struct Suspicion {
    pub(super) probe_at: Moment,
    pub(super) failed_probes: u32,
    /// A live instance has its address.
    pub(super) superseded: bool,
}

impl Entry {
    /// A suspect that was leaving anyway is still leaving: nobody should prefer it to nothing.
    pub(super) fn status(&self) -> Status {
        match (self.declared, &self.suspicion) {
            (Status::Up, Some(_)) => Status::Suspect,
            (declared, _) => declared,
        }
    }

    pub(super) fn instance(&self, service: &str, id: &str) -> Instance {
        let registration = self.registration.clone();
        Instance {
            id: id.to_owned(),
            service: service.to_owned(),
            addr: registration.addr,
            port: registration.port,
            scheme: registration.scheme,
            zone: registration.zone,
            version: registration.version,
            weight: registration.weight,
            health_url: registration.health_url,
            status: self.status(),
            source: registration.source,
            metadata: registration.metadata,
        }
    }

    pub(super) fn ttl(&self) -> Duration {
        Duration::from_secs(u64::from(self.registration.ttl_s))
    }

    pub(super) fn lease(&self) -> Lease {
        Lease {
            lease_id: self.lease_id.clone(),
            renew_every_s: f64::from(self.registration.ttl_s) / 3.0,
        }
    }

    pub(super) fn is_at(&self, other: &Registration) -> bool {
        self.registration.addr == other.addr && self.registration.port == other.port
    }
}

impl Suspicion {
    pub(super) fn is_proven(&self) -> bool {
        self.superseded || self.failed_probes >= FAILED_PROBES_TO_EVICT
    }
}
