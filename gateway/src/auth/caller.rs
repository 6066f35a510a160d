//! Who is calling, as far as the route asked.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use route_table::table::{Demand, Provider};
use serde_json::{Map, Value};
use smallvec::SmallVec;

use super::claims;
use super::identity_headers::headers_of;
use super::own_issuer::Exchanged;
use super::refused::Reason;
use super::scopes::Scopes;

/// What a provider says of a caller. Its size is bounded by what it was read from.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) scopes: Scopes,
    /// All claims, for conditions and for limits that count by one.
    pub(crate) claims: Map<String, Value>,
    /// What upstreams are told, prepared once; the client's own fields of these names must have been
    /// stripped before.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The token that upstreams get in place of what was brought, once one was made.
    pub(super) exchanged: Exchanged,
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        (&self.scopes, &self.claims, &self.headers)
            == (&other.scopes, &other.claims, &other.headers)
    }
}

impl Eq for Identity {}

impl Identity {
    /// Prepares what is asked of claims again and again.
    pub(super) fn new(provider: &Provider, claims: Map<String, Value>) -> Self {
        let scopes = Scopes::of(&claims);
        Self {
            headers: headers_of(&provider.claims_to_headers, &claims, &scopes),
            scopes,
            claims,
            exchanged: Exchanged::default(),
        }
    }

    /// Whether it is all that a route asks for.
    ///
    /// # Errors
    /// The first kind of thing that is missing.
    pub(super) fn meets(&self, demand: &Demand, roles_claim: &str) -> Result<(), Reason> {
        if !demand
            .scopes
            .iter()
            .all(|scope| self.scopes.contains(scope))
        {
            return Err(Reason::Scope);
        }
        let has_role = || {
            claims::find(&self.claims, roles_claim)
                .is_some_and(|claim| claims::has_one_of(claim, &demand.roles))
        };
        if !demand.roles.is_empty() && !has_role() {
            return Err(Reason::Role);
        }
        let conditions = &demand.claims;
        if !conditions.iter().all(|it| claims::holds(&self.claims, it)) {
            return Err(Reason::Claim);
        }
        Ok(())
    }
}

/// Everything that was found out about a caller: nothing, or what one or several providers say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    identities: SmallVec<[Arc<Identity>; 1]>,
    /// Replaces what the caller brought.
    token: Option<(HeaderName, HeaderValue)>,
}

impl Caller {
    /// Nobody in particular.
    pub(crate) const fn anonymous() -> Self {
        Self {
            identities: SmallVec::new_const(),
            token: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn claiming(claims: &Value) -> Self {
        let mut caller = Self::anonymous();
        caller.add(Arc::new(Identity {
            scopes: Scopes::default(),
            claims: claims.as_object().unwrap().clone(),
            headers: Vec::new(),
            exchanged: Exchanged::default(),
        }));
        caller
    }

    pub(super) fn exchange(&mut self, token: (HeaderName, HeaderValue)) {
        self.token = Some(token);
    }

    pub(super) fn add(&mut self, identity: Arc<Identity>) {
        self.identities.push(identity);
    }

    /// Whether anything is known of the caller.
    pub(crate) fn is_known(&self) -> bool {
        !self.identities.is_empty()
    }

    /// The claim of the first provider that has it.
    pub(crate) fn claim(&self, name: &str) -> Option<&Value> {
        let mut identities = self.identities.iter();
        identities.find_map(|identity| claims::find(&identity.claims, name))
    }

    /// What upstreams are told. Where two providers tell the same header, the later one's word counts.
    pub(crate) fn headers(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        let identities = self.identities.iter();
        identities
            .flat_map(|identity| &identity.headers)
            .chain(&self.token)
    }
}
