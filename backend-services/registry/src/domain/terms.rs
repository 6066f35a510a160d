//! What goes into a [`Directory`](super::Directory) and what comes out.

use discovery::{Lease, Registration, Status};

use crate::limits::{INSTANCES_MAX, SERVICES_MAX};

/// Names an instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) service: String,
    pub(crate) id: String,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("no such instance is registered; register again")]
    Unknown,
    #[error("the instance is registered under another lease")]
    AnothersLease,
    #[error("the instance registers itself; a registrar's word does not replace its own")]
    RegistersItself,
    #[error("an instance may say that it is up, draining or down; the registry alone suspects")]
    NotToBeSaid,
    #[error("the registry holds {SERVICES_MAX} services and {INSTANCES_MAX} instances at most")]
    Full,
}

/// What a registration brought.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Registered {
    pub(crate) lease: Lease,
    /// Whether the instance was unknown before.
    pub(crate) created: bool,
}

/// How many instances a service has.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct ServiceCount {
    pub(crate) name: String,
    pub(crate) instances: usize,
    /// Those that are up.
    pub(crate) up: usize,
}

/// An instance as it is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) key: Key,
    pub(crate) lease_id: String,
    pub(crate) status: Status,
    pub(crate) registration: Registration,
}

/// A question to a suspected instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) key: Key,
    pub(crate) lease_id: String,
    pub(crate) target: ProbeTarget,
}

/// What to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProbeTarget {
    /// An HTTP GET that a 2xx status answers.
    Health(String),
    /// Without a health URL: whether the port takes a connection.
    Connect { addr: String, port: u16 },
}

impl ProbeTarget {
    pub(super) fn of(registration: &Registration) -> Self {
        match &registration.health_url {
            Some(url) => Self::Health(url.clone()),
            None => Self::Connect {
                addr: registration.addr.clone(),
                port: registration.port,
            },
        }
    }
}
