//! Who is registered, and how surely they are alive: a pure state machine.
//!
//! ```text
//!            renewed                                  probes failed, or its address is another's
//!   ┌────────────────────┐                            ┌──────────────────────────────▶ evicted
//!   ▼                    │ lease ran out              │                    (≤ 15 % a round)
//!  up, draining, down ───┴──────────────▶ suspect ────┴─ probe answers: stays suspect
//!   ▲                                        │
//!   └────────────────────────────────────────┘ renewed
//! ```
//!
//! An instance whose lease has run out is *suspected*, not deleted: it goes to the end of every
//! selection while its health is probed. Only evidence against it (failed probes, or a live
//! instance at its address) removes it, and in each round no more than 15 % of all instances.
//! When many leases run out at once, which is mostly the registry's own trouble, nothing is
//! removed until the probes have answered.
//!
//! Time is an argument everywhere; so are lease ids, which are random.

mod terms;
mod entry;
mod directory;
mod suspicion;

pub(crate) use directory::Directory;
pub(crate) use terms::{Key, Probe, ProbeTarget, Record, Refused};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod history;
