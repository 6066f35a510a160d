//! Signed tokens (RFC 7519), checked against an issuer's keys.
//!
//! From the outside in: [`authenticator`] holds an issuer's live state (keys, tokens seen before),
//! [`verifier`] is the pure check of one token, [`compact`] its form, [`jwks`] the keys. [`fetch`] is the
//! control-plane task that keeps the keys fresh, [`disk`] their copy for a start while the issuer is away.
//! A request waits for a fetch only when a token names a key nobody has seen
//! (at most [`authenticator::REFETCH_WAIT`]).

mod compact;
mod jwks;
mod verifier;
mod cache;
mod schedule;
mod authenticator;
mod disk;
mod fetch;

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod bad_tokens;
#[cfg(test)]
mod rfc7520;
#[cfg(test)]
pub(in crate::auth) mod test_issuer;

pub(super) use authenticator::Authenticator;
pub(crate) use disk::KeyCopies;
pub(super) use fetch::client as key_client;
