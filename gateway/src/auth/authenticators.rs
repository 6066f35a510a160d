//! The providers of one table, by id.

use std::sync::Arc;

use http::HeaderMap;
use route_table::table::{Provider, ProviderId};
use tokio::runtime::Handle;

use super::authenticator::Authenticator;
use super::identity_headers::IdentityHeaders;
use super::jwks_fetch;
use crate::telemetry::Metrics;

/// All providers of a table with their live state.
#[derive(Debug, Default)]
pub(crate) struct Authenticators {
    by_id: Vec<Arc<Authenticator>>,
    identity_headers: IdentityHeaders,
}

impl Authenticators {
    /// Builds the providers of a table; those that did not change live on with keys and cache, and one
    /// that reads the same `jwks_uri` by other rules starts with the keys of its predecessor.
    ///
    /// Called on the control thread: inside its runtime this also starts the tasks that fetch keys. Each
    /// ends when its provider is gone from every table in use. Outside a runtime nothing is fetched.
    pub(crate) fn build(previous: Option<&Self>, providers: &[Provider]) -> Self {
        let old = previous.map_or(&[][..], |previous| &previous.by_id);
        let by_id = providers
            .iter()
            .map(|provider| carried_over(old, provider))
            .collect();
        let built = Self {
            by_id,
            identity_headers: IdentityHeaders::of(providers),
        };
        if let Ok(control) = Handle::try_current() {
            built.start_refreshing(&control);
        }
        built
    }

    fn start_refreshing(&self, control: &Handle) {
        if self.by_id.is_empty() {
            return;
        }
        match jwks_fetch::client() {
            Ok(client) => {
                for authenticator in &self.by_id {
                    authenticator.start_refreshing(control, &client);
                }
            }
            // Routes that need a token answer 503; the others serve.
            Err(error) => tracing::error!(%error, "keys can not be fetched on this system"),
        }
    }

    /// Says where refusals, verifications and fetches are counted.
    pub(crate) fn report_to(&self, metrics: &Metrics) {
        for authenticator in &self.by_id {
            authenticator.report_to(metrics);
        }
    }

    pub(crate) fn get(&self, id: ProviderId) -> &Arc<Authenticator> {
        self.by_id
            .get(id.0 as usize)
            .expect("provider ids come from the table these were built of")
    }

    /// Takes from a client's request every header that any provider sets.
    pub(crate) fn strip_identity_headers(&self, headers: &mut HeaderMap) {
        self.identity_headers.strip(headers);
    }
}

/// The provider's state: as it was, with its predecessor's keys, or new.
fn carried_over(old: &[Arc<Authenticator>], provider: &Provider) -> Arc<Authenticator> {
    if let Some(same) = old.iter().find(|old| same_rules(old.provider(), provider)) {
        return Arc::clone(same);
    }
    let same_keys = old
        .iter()
        .find(|old| old.provider().jwks_uri == provider.jwks_uri);
    Arc::new(Authenticator::new(
        provider.clone(),
        same_keys.map(AsRef::as_ref),
    ))
}

/// Equal but for the place in the file: a line inserted above must not cost the keys.
fn same_rules(one: &Provider, other: &Provider) -> bool {
    *one == Provider {
        position: one.position.clone(),
        ..other.clone()
    }
}
