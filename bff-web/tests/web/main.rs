//! The browser's backend over real sockets, with stand-ins for what it calls; the OpenID
//! provider is the shop's own, or one that a test may make misbehave.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test harness")]

mod bff;
mod browser;
mod provider;
mod screens;
mod pages;
mod portal;
mod sign_in;
mod bad_provider;
mod session_tokens;
mod hostile;
