//! Who is calling: bearer tokens (RFC 6750) that are JWTs (RFC 7519), checked against an issuer's keys.
//!
//! [`authorize`] is the whole decision for one request: take the token from the headers, verify it,
//! check the route's scopes. [`identity_headers`] takes away what clients claim to be and puts there
//! what the token says.
//!
//! Three layers, from the outside in: [`authenticator`] holds a provider's live state (keys, cache),
//! [`verifier`] is the pure check of one token, [`jwks`] the keys. [`jwks_fetch`] is the control-plane
//! task that keeps the keys fresh; a request waits for it only when a token names a key nobody has seen
//! (at most [`authenticator::REFETCH_WAIT`]).
//!
//! **Architecture invariants:** a key comes from the provider's `jwks_uri` and never from a token; when
//! keys can't be had the answer is `503`, not `401`: the client did nothing wrong. No log line, metric or
//! error text has a token or a part of one.

mod refused;
mod bearer;
mod scopes;
mod identity_headers;
mod token;
mod jwks;
mod verifier;
mod cache;
mod schedule;
mod authenticator;
mod authenticators;
mod jwks_fetch;

#[cfg(test)]
mod test_issuer;
#[cfg(test)]
mod bad_tokens;

pub(crate) use authenticators::Authenticators;
pub(crate) use bearer::authorize;
pub(crate) use refused::AuthRefused;
pub(crate) use token::VerifiedToken;
