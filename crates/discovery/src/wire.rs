//! The registry's resources as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How an instance is doing, as the registry knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    #[default]
    Up,
    /// Its lease has run out; it may still be alive. Last in selection.
    Suspect,
    /// Leaving: serves what it has, wants nothing new.
    Draining,
    /// Says itself that it can't serve.
    Down,
}

/// Who registered an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The instance itself.
    #[default]
    #[serde(rename = "self")]
    Itself,
    /// A third party that watches processes. An instance's own word wins over it.
    Registrar,
}

/// One running copy of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    pub id: String,
    pub service: String,
    /// A name or an address, IPv6 without brackets.
    pub addr: String,
    pub port: u16,
    /// `http` or `https`.
    pub scheme: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Share of traffic relative to other instances; 1–1000.
    pub weight: u32,
    /// Asked by the registry when the lease has run out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_url: Option<String>,
    pub status: Status,
    pub source: Source,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

impl Instance {
    /// `scheme://addr:port`, with brackets round an IPv6 address.
    #[must_use]
    pub fn base_url(&self) -> String {
        let Self {
            scheme, addr, port, ..
        } = self;
        if addr.contains(':') {
            format!("{scheme}://[{addr}]:{port}")
        } else {
            format!("{scheme}://{addr}:{port}")
        }
    }
}

/// The body of `PUT /v1/services/{service}/instances/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    pub addr: String,
    pub port: u16,
    #[serde(default = "http")]
    pub scheme: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default = "one")]
    pub weight: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_url: Option<String>,
    /// Seconds that a lease lasts without renewal; 1–300.
    #[serde(default = "fifteen")]
    pub ttl_s: u32,
    #[serde(default)]
    pub source: Source,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

fn http() -> String {
    "http".to_owned()
}

fn one() -> u32 {
    1
}

fn fifteen() -> u32 {
    15
}

/// The answer to a registration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    pub lease_id: String,
    /// Seconds between renewals: a third of the TTL.
    pub renew_every_s: f64,
}

/// The body of `POST …/renew` and `DELETE`: only the holder of a lease may use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renewal {
    pub lease_id: String,
}

/// The body of `PATCH …/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusChange {
    pub lease_id: String,
    pub status: Status,
}

/// A service's instances at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServiceView {
    /// Rises with every change; a long poll waits for a higher one.
    pub index: u64,
    pub instances: Vec<Instance>,
}
