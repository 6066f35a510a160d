//! Signing in, by the browser pattern for OAuth: tokens stay on the server, the browser gets a cookie.
//!
//! Authorization code with PKCE, state and nonce (RFC 9700). In the order of a sign-in: [`login`] sends
//! the browser to the provider and takes it back, [`cookie`] is all that the browser holds, [`provider`]
//! talks to the provider, [`id_token`] checks who it says that came, [`store`] keeps sessions in memory,
//! [`tokens`] keeps a session's access token fresh, and [`logout`] ends it all.
//!
//! A restart signs everybody out here; the provider remembers them, so that one click signs them in again.

pub(crate) mod cookie;
mod login;
mod provider;
mod id_token;
mod random;
mod store;
mod tokens;
mod logout;

pub(crate) use login::{callback, login, user};
pub(crate) use logout::logout;
pub(crate) use provider::Provider;
pub use provider::{ProviderOptions, Secret};
pub(crate) use store::{Session, Sessions};
