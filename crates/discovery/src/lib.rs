//! Client of the service registry: register, renew, watch, and pick an instance.
//!
//! [`wire`] holds what goes over the wire, which the registry itself uses too. [`client`] is the API,
//! call by call. [`registration`] keeps one instance registered, and [`watch`] keeps a list of a
//! service's instances at hand: the last good one while the registry is away.

mod client;
mod registration;
mod watch;
mod wire;

pub use client::{RegistryClient, RegistryError};
pub use registration::SelfRegistration;
pub use watch::Watch;
pub use wire::{Instance, Lease, Registration, Renewal, ServiceView, Source, Status, StatusChange};

#[cfg(test)]
mod tests;
