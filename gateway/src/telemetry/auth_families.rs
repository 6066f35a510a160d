//! The metric families of authentication.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::families::Registering;
use super::labels::{AuthLabels, ProviderLabel, ProviderResultLabels};

/// Who was refused, and what providers of identity did.
pub(super) struct AuthFamilies {
    pub(super) refused: Family<AuthLabels, Counter>,
    pub(super) checks: Family<ProviderResultLabels, Counter>,
    pub(super) api_keys_refused: Family<ProviderLabel, Counter>,
    pub(super) tokens_verified: Family<ProviderLabel, Counter>,
    pub(super) jwks_fetches: Family<ProviderResultLabels, Counter>,
    pub(super) jwks_keys: Family<ProviderLabel, Gauge>,
    pub(super) jwks_last_success_timestamp: Family<ProviderLabel, Gauge>,
}

impl AuthFamilies {
    pub(super) fn register(new: &mut Registering) -> Self {
        Self {
            refused: new.add("auth_refused", "Requests refused by authentication"),
            checks: new.add(
                "auth_checks",
                "Questions to others about callers, by result",
            ),
            api_keys_refused: new.add(
                "api_keys_refused",
                "Versions of a file of API keys that could not be used",
            ),
            tokens_verified: new.add(
                "auth_tokens_verified",
                "Tokens verified anew, not found in the cache",
            ),
            jwks_fetches: new.add("jwks_fetches", "Fetches of key sets, by result"),
            jwks_keys: new.add("jwks_keys", "Usable keys of the last key set"),
            jwks_last_success_timestamp: new.add(
                "jwks_last_success_timestamp_seconds",
                "When keys were last fetched, in seconds since 1970",
            ),
        }
    }
}
