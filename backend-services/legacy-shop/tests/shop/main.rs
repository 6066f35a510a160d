//! The monolith over a real socket: its three interfaces and its switch for faults.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test harness")]

mod harness;
mod soap_interface;
mod pages;
mod rest;
mod faults;
