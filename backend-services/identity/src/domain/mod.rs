//! What the protocols demand, as pure functions: no I/O, and the time is an argument.

pub(crate) mod error;
pub(crate) mod scope;
pub(crate) mod pkce;
pub(crate) mod client;
pub(crate) mod user;
pub(crate) mod throttle;
pub(crate) mod authorization;
pub(crate) mod grant;
