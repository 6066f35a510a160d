//! Providers for tests, with the usual settings.

use http::HeaderName;
use route_table::table::{
    Algorithm, ApiKeyFile, Given, JwtRules, Place, Position, Provider, ProviderKind,
};
use std::time::Duration;

fn provider(name: &str, kind: ProviderKind, from: Place) -> Provider {
    Provider {
        name: name.into(),
        position: Position {
            file: "routes.yaml".into(),
            line: 1,
            column: 1,
        },
        claims_to_headers: vec![
            ("sub".into(), HeaderName::from_static("x-user-id")),
            ("scope".into(), HeaderName::from_static("x-user-scopes")),
        ],
        roles_claim: "roles".into(),
        from: vec![from],
        pass_credential: kind.jwt().is_some(),
        exchange: false,
        given: Given::default(),
        kind,
    }
}

/// An issuer for the audience `shop`, of whom all algorithms are taken.
pub(super) fn of_tokens(name: &str, issuer: &str, jwks_uri: &str) -> Provider {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, RS256};
    let rules = JwtRules {
        issuer: issuer.into(),
        jwks_uri: jwks_uri.into(),
        audiences: vec!["shop".into()],
        algorithms: vec![ES256, ES384, RS256, PS256, PS384, EdDSA],
        clock_skew: Duration::from_secs(60),
        lifetime_max: None,
        stale_keys: Duration::from_secs(3600),
    };
    provider(name, ProviderKind::Jwt(rules), Place::Bearer)
}

pub(super) fn of_api_keys(name: &str, file: &ApiKeyFile) -> Provider {
    let header = Place::Header(HeaderName::from_static("x-api-key"));
    provider(name, ProviderKind::ApiKeys(file.clone()), header)
}
