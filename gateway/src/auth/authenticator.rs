//! A provider as the running gateway knows it: whoever can say who brings a credential.

use std::sync::Arc;

use route_table::table::{Provider, ProviderKind};

use super::api_keys::ApiKeys;
use super::caller::Identity;
use super::credentials::Credential;
use super::jwt;
use super::refused::Reason;
use crate::telemetry::Metrics;

/// One provider with its live state. Clones share it.
#[derive(Debug, Clone)]
pub(super) enum Authenticator {
    Jwt(Arc<jwt::Authenticator>),
    ApiKeys(Arc<ApiKeys>),
}

impl Authenticator {
    /// Makes a provider's state; what the `previous` ones know goes on being known where it can.
    pub(super) fn new(provider: &Provider, previous: &[Self]) -> Self {
        match &provider.kind {
            ProviderKind::Jwt(rules) => {
                let mut same_keys = previous.iter().filter_map(|old| match old {
                    Self::Jwt(old) if old.rules().jwks_uri == rules.jwks_uri => Some(&**old),
                    _ => None,
                });
                let new = jwt::Authenticator::new(provider, rules, same_keys.next());
                Self::Jwt(Arc::new(new))
            }
            ProviderKind::ApiKeys(file) => Self::ApiKeys(Arc::new(ApiKeys::new(provider, file))),
        }
    }

    pub(super) fn provider(&self) -> &Provider {
        match self {
            Self::Jwt(jwt) => jwt.provider(),
            Self::ApiKeys(keys) => keys.provider(),
        }
    }

    /// Says who brings this, at `now` in seconds since 1970.
    pub(super) async fn identify(
        &self,
        credential: Credential<'_>,
        now: u64,
    ) -> Result<Arc<Identity>, Reason> {
        match self {
            Self::Jwt(jwt) => jwt.verify_or_refetch(credential.0, now).await,
            Self::ApiKeys(keys) => keys.identify(credential.0, now),
        }
    }

    /// Says where verifications and fetches are counted, once.
    pub(super) fn report_to(&self, metrics: &Metrics) {
        match self {
            Self::Jwt(jwt) => jwt.report_to(metrics),
            Self::ApiKeys(keys) => keys.report_to(metrics),
        }
    }
}
