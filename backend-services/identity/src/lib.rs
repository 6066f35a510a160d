//! A development OpenID provider, so that the shop signs people in without the internet.
//!
//! Authorization code with PKCE (`S256` only), refresh tokens that rotate, client credentials, and
//! sign-out; access tokens are JWTs by RFC 9068. What makes it fit for development only: its users
//! are the seeded customers, with one password that the login page tells. Any other provider takes
//! its place by issuer URL. It signs with ES256 alone and not, as OpenID Connect also asks, with
//! RS256.
//!
//! The life of a sign-in:
//!
//! ```text
//! browser  GET  /authorize   checked by [domain::authorization], answered with the login page
//! browser  POST /login       password, throttle; a session cookie and a code, by redirect
//! client   POST /token       code + verifier → access, ID and refresh token
//! client   POST /token       refresh token → the next of each; an old one ends its family
//! gateway  GET  /jwks        the key that verifies them
//! browser  GET  /end-session signs out here, and revokes what the session brought
//! ```
//!
//! The gateway forwards `/identity/…` with the prefix stripped; [`Issuer`] knows both sides.
//! [`login`] is the client's half, for command lines.

mod http;
mod provider;
mod registrations;
mod domain;
mod parameters;
mod issuer;
mod tokens;
mod signing_key;
mod opaque;
mod store;
mod clock;
pub mod login;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use chassis::{Running, Service, Settings};

use crate::clock::Clock;
use crate::provider::{NAME, Provider};

pub use crate::issuer::{Issuer, IssuerError};
pub use crate::registrations::{ClientOptions, Secret};

/// The command line of the identity service.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What every service takes.
    #[command(flatten)]
    pub service: Settings,
    /// Public URL of this provider, as tokens name it and browsers reach it.
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://localhost:8443/identity"
    )]
    pub issuer: Issuer,
    /// Audience of the access tokens: who accepts them.
    #[arg(long, value_name = "NAME", default_value = "shop")]
    pub audience: String,
    /// The programs that ask for tokens.
    #[command(flatten)]
    pub clients: ClientOptions,
}

/// Opens the database and the signing key (making them the first time) and starts to serve.
///
/// # Errors
/// A redirect URI is no URL, the key or the database cannot be opened, or the address cannot be
/// bound.
pub async fn start(options: Options) -> anyhow::Result<Running> {
    start_with(options, Clock::system()).await
}

async fn start_with(options: Options, clock: Clock) -> anyhow::Result<Running> {
    let provider = Arc::new(Provider::open(&options, clock).await?);
    let probe = provider.store.clone();
    Service::new(NAME, http::routes(provider))
        .ready_when("database", move || {
            let probe = probe.clone();
            Box::pin(async move { probe.ping().await.map_err(|error| error.to_string()) })
        })
        .start(&options.service)
        .await
}
