//! What a verified token says.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::scopes::Scopes;

/// A token whose signature, issuer, audience and times were right. Its size is bounded by the token's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VerifiedToken {
    pub(crate) scopes: Scopes,
    /// All claims, for limits that count by one.
    pub(crate) claims: Map<String, Value>,
    /// `exp`, in seconds since 1970.
    pub(crate) expires_at: u64,
    /// `nbf`, in seconds since 1970; 0 when absent.
    pub(crate) not_before: u64,
    /// What upstreams are told, prepared once; the client's own fields of these names must have been
    /// stripped before.
    pub(crate) identity_headers: Vec<(HeaderName, HeaderValue)>,
}

impl VerifiedToken {
    /// Returns the first of the scopes that the token does not grant.
    pub(crate) fn missing_scope<'s>(&self, required: &'s [Arc<str>]) -> Option<&'s Arc<str>> {
        required.iter().find(|scope| !self.scopes.contains(scope))
    }
}
