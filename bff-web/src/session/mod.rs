//! Signing in, by the browser pattern for OAuth: tokens stay on the server, the browser gets a cookie.
//!
//! Authorization code with PKCE, state and nonce (RFC 9700). [`provider`] talks to the OpenID provider,
//! [`store`] keeps sessions in memory, [`cookie`] is all the browser holds, and [`handlers`] are the
//! endpoints. A restart signs everybody out; sessions that outlive it and refreshed tokens are not here yet.

pub(crate) mod cookie;
mod handlers;
mod provider;
mod random;
mod store;

pub(crate) use handlers::{callback, login, logout, user};
pub(crate) use provider::Provider;
pub use provider::ProviderOptions;
pub(crate) use store::{Session, Sessions};
