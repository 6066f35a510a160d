//! A provider as the running gateway knows it: whoever can say who brings a credential.

use std::sync::Arc;

use route_table::table::{Provider, ProviderKind};

use super::api_keys::ApiKeys;
use super::caller::Identity;
use super::checks::{Ask, Forward, Introspector};
use super::client_certificates::Certificates;
use super::credentials::{Credential, Presented};
use super::jwt;
use super::refused::{Reason, Refusal};
use crate::telemetry::Metrics;

/// One provider with its live state. Clones share it.
#[derive(Debug, Clone)]
pub(super) enum Authenticator {
    Jwt(Arc<jwt::Authenticator>),
    ApiKeys(Arc<ApiKeys>),
    Forward(Arc<Forward>),
    Introspection(Arc<Introspector>),
    ClientCertificate(Arc<Certificates>),
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
            ProviderKind::Forward(check) => Self::Forward(Arc::new(Forward::new(provider, check))),
            ProviderKind::Introspection(rules) => {
                Self::Introspection(Arc::new(Introspector::new(provider, rules)))
            }
            ProviderKind::ClientCertificate(sans) => {
                Self::ClientCertificate(Arc::new(Certificates::new(provider, sans)))
            }
        }
    }

    pub(super) fn provider(&self) -> &Provider {
        match self {
            Self::Jwt(jwt) => jwt.provider(),
            Self::ApiKeys(keys) => keys.provider(),
            Self::Forward(check) => check.provider(),
            Self::Introspection(introspector) => introspector.provider(),
            Self::ClientCertificate(certificates) => certificates.provider(),
        }
    }

    /// Says who brings this, at `now` in seconds since 1970.
    pub(super) async fn identify(
        &self,
        credential: Option<Credential<'_>>,
        presented: Presented<'_>,
        ask: &impl Ask,
        now: u64,
    ) -> Result<Arc<Identity>, Refusal> {
        // Only a forwarded check is asked about whoever brings nothing.
        let brought = credential.ok_or(Refusal::from(Reason::Missing));
        match self {
            Self::Jwt(jwt) => Ok(jwt.verify_or_refetch(brought?.0, now).await?),
            Self::ApiKeys(keys) => Ok(keys.identify(brought?.0, now)?),
            // Boxed: requests that ask nobody are not to carry a question's state along.
            Self::Forward(check) => Box::pin(check.identify(presented, ask)).await,
            Self::Introspection(introspector) => {
                Box::pin(introspector.identify(brought?, ask)).await
            }
            Self::ClientCertificate(certificates) => {
                Ok(certificates.identify(presented.certificate)?)
            }
        }
    }

    /// Says where verifications and fetches are counted, once.
    pub(super) fn report_to(&self, metrics: &Metrics) {
        match self {
            Self::Jwt(jwt) => jwt.report_to(metrics),
            Self::ApiKeys(keys) => keys.report_to(metrics),
            Self::Forward(check) => check.report_to(metrics),
            Self::Introspection(introspector) => introspector.report_to(metrics),
            Self::ClientCertificate(_) => {}
        }
    }
}
