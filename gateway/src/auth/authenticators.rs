//! The providers of one table, by id.

use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderName, HeaderValue};
use route_table::table::{self, Demand, Provider, ProviderId, RouteAuth};
use tokio::runtime::Handle;

use super::api_keys;
use super::authenticator::Authenticator;
use super::caller::Identity;
use super::identity_headers::IdentityHeaders;
use super::jwt::{self, KeyCopies};
use super::own_issuer::{self, OwnIssuer};
use super::refused::{AuthRefused, Reason, Refusal};
use crate::telemetry::Metrics;

/// All providers of a table with their live state.
#[derive(Debug, Default)]
pub(crate) struct Authenticators {
    by_id: Vec<Authenticator>,
    identity_headers: IdentityHeaders,
    copies: KeyCopies,
    issuer: Option<Arc<OwnIssuer>>,
    /// Absent until [`Self::report_to`].
    metrics: OnceLock<Metrics>,
}

impl Authenticators {
    /// No provider, and the folder where key sets are kept for a start while their issuer is away.
    pub(crate) fn keeping_keys_in(copies: KeyCopies) -> Self {
        Self {
            copies,
            ..Self::default()
        }
    }

    /// Builds the providers of a table; those that did not change live on with keys and cache, and one
    /// that reads the same `jwks_uri` by other rules starts with the keys of its predecessor.
    ///
    /// Called on the control thread: inside its runtime this also starts the tasks that fetch keys and
    /// follow files. Each ends when its provider is gone from every table in use. Outside a runtime nothing is fetched.
    pub(crate) fn build(
        previous: &Self,
        providers: &[Provider],
        issuer: Option<&table::OwnIssuer>,
    ) -> Self {
        let by_id = providers
            .iter()
            .map(|provider| carried_over(&previous.by_id, provider))
            .collect();
        let built = Self {
            by_id,
            identity_headers: IdentityHeaders::of(providers),
            copies: previous.copies.clone(),
            issuer: own_issuer::carried_over(previous.issuer.as_ref(), issuer),
            metrics: OnceLock::new(),
        };
        if let Ok(control) = Handle::try_current() {
            built.start_tasks(&control);
        }
        built
    }

    #[cfg(test)]
    pub(super) fn of(by_id: Vec<Authenticator>) -> Self {
        Self {
            by_id,
            ..Self::default()
        }
    }

    fn start_tasks(&self, control: &Handle) {
        if self.by_id.is_empty() {
            return;
        }
        let client = match jwt::key_client() {
            Ok(client) => client,
            // Routes that need a token answer 503; the others serve.
            Err(error) => {
                tracing::error!(%error, "keys can not be fetched on this system");
                return;
            }
        };
        for authenticator in &self.by_id {
            match authenticator {
                Authenticator::Jwt(jwt) => jwt.start_refreshing(control, &client, &self.copies),
                Authenticator::ApiKeys(keys) => api_keys::follow(keys, control),
                Authenticator::Forward(_) | Authenticator::Introspection(_) => {}
            }
        }
    }

    /// Says where refusals, verifications and fetches are counted.
    pub(crate) fn report_to(&self, metrics: &Metrics) {
        self.metrics.get_or_init(|| metrics.clone());
        for authenticator in &self.by_id {
            authenticator.report_to(metrics);
        }
    }

    pub(super) fn get(&self, id: ProviderId) -> &Authenticator {
        self.by_id
            .get(id.0 as usize)
            .expect("provider ids come from the table these were built of")
    }

    /// Whoever signs tokens of the gateway's own.
    pub(crate) fn issuer(&self) -> Option<&OwnIssuer> {
        self.issuer.as_deref()
    }

    /// A token of the gateway's own in place of what a caller brought.
    pub(super) fn token_for(
        &self,
        identity: &Identity,
        now: u64,
    ) -> Option<(HeaderName, HeaderValue)> {
        self.issuer.as_ref()?.token_for(identity, now)
    }

    /// Counts a refusal and makes the answer of it.
    pub(super) fn refuse(
        &self,
        auth: &RouteAuth,
        refusal: Refusal,
        demand: &Demand,
    ) -> AuthRefused {
        let Refusal { reason, answer } = refusal;
        let provider = self.get(demand.provider).provider();
        if let Some(metrics) = self.metrics.get() {
            metrics.count_auth_refused(&provider.name, reason.as_str());
        }
        let mut refused = AuthRefused::new(reason, provider);
        refused.answer = answer;
        if reason == Reason::Scope {
            refused.scopes.clone_from(&demand.scopes);
        }
        if reason == Reason::Missing {
            let others = auth.demands.iter().filter(|other| *other != demand);
            let others = others.map(|other| self.get(other.provider).provider());
            refused.others = others.map(AuthRefused::realm_of).collect();
        }
        refused
    }

    /// Takes from a client's request every header that any provider sets.
    pub(crate) fn strip_identity_headers(&self, headers: &mut HeaderMap) {
        self.identity_headers.strip(headers);
    }
}

/// The provider's state: as it was, with its predecessor's keys, or new.
fn carried_over(old: &[Authenticator], provider: &Provider) -> Authenticator {
    let same = old.iter().find(|old| same_rules(old.provider(), provider));
    same.cloned()
        .unwrap_or_else(|| Authenticator::new(provider, old))
}

/// Equal but for the place in the file: a line inserted above must not cost the keys.
fn same_rules(one: &Provider, other: &Provider) -> bool {
    *one == Provider {
        position: one.position.clone(),
        ..other.clone()
    }
}
