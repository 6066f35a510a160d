//! Who is calling: what a request brings, checked by the providers that its route names.
//!
//! [`authorize`] is the whole decision for one request: for each demand of the route take the token or key
//! from its place ([`credentials`]), ask the provider ([`authenticator`]) who brings it, and check scopes,
//! roles and claims ([`caller`]). [`identity_headers`] takes away what clients claim to be and puts there
//! what the providers say; [`hide`] takes away what no upstream is to see.
//!
//! Kinds of providers, a module each: [`jwt`] signed tokens, [`api_keys`] keys by their hashes,
//! [`checks`] those who ask somebody else. [`own_issuer`] signs tokens for services behind the gateway.
//!
//! **Architecture invariants:** a key comes from the provider's `jwks_uri` and never from a token; when
//! keys can't be had the answer is `503`, not `401`: the client did nothing wrong. No log line, metric or
//! error text has a token, a key or a part of one.

mod refused;
mod credentials;
mod scopes;
mod claims;
mod identity_headers;
mod caller;
mod jwt;
mod api_keys;
mod checks;
mod own_issuer;
mod authenticator;
mod authenticators;
mod authorize;
mod hide;

#[cfg(test)]
mod test_provider;

pub(crate) use api_keys::read as read_api_keys;
pub(crate) use authenticators::Authenticators;
pub(crate) use authorize::authorize;
pub(crate) use caller::Caller;
pub(crate) use checks::Ask;
pub(crate) use credentials::Presented;
pub(crate) use hide::hide_credentials;
pub(crate) use jwt::KeyCopies;
pub(crate) use own_issuer::OwnIssuer;
pub(crate) use refused::AuthRefused;
