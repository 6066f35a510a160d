//! The SOAP interface: [`endpoint`] (HTTP and the envelope), [`operations`] (one element in, one out),
//! [`model`] (records in the monolith's own words), [`fault`] (how it says no), [`wsdl`] (what it says
//! of itself).
//!
//! The names are old and stay: `CustNo`, `EMail`, amounts as `500.00`, one letter for a state. Who
//! finds them ugly translates them on the far side; that is what the adapter is for.

mod endpoint;
mod operations;
mod model;
mod fault;
mod wsdl;

pub(crate) use endpoint::routes;

/// The namespace of the monolith's elements.
const NAMESPACE: &str = "urn:shop-manager:2003";
