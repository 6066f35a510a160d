//! Providers that ask somebody else about a caller: [`forward`] a service of yours, [`introspection`] an
//! authorisation server. [`ask`] is how a request asks, [`verdicts`] what is remembered of the answers.
//!
//! **Architecture invariant:** whoever does not answer in time lets nobody in that was not let in before, and
//! the client hears `503`, not `401`.

mod ask;
mod verdicts;
mod forward;
mod introspection;

pub(crate) use ask::Ask;
pub(super) use forward::Forward;
pub(super) use introspection::Introspector;
