//! What clients and gateways learn about this provider (OpenID Connect Discovery 1.0, RFC 8414).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::domain::client::Grant;
use crate::domain::scope;
use crate::provider::Provider;

/// Both documents change only with a new key or a new release.
const CACHE_CONTROL: &str = "public, max-age=300";

pub(super) async fn configuration(State(provider): State<Arc<Provider>>) -> Response {
    let issuer = &provider.issuer;
    let document = json!({
        "issuer": issuer.as_str(),
        "authorization_endpoint": issuer.endpoint("/authorize"),
        "token_endpoint": issuer.endpoint("/token"),
        "userinfo_endpoint": issuer.endpoint("/userinfo"),
        "jwks_uri": issuer.endpoint("/jwks"),
        "end_session_endpoint": issuer.endpoint("/end-session"),
        "scopes_supported": scope::KNOWN,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": Grant::ALL.map(Grant::as_str),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "none"],
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "select_account"],
        "claims_supported": [
            "iss", "aud", "sub", "sid", "iat", "exp", "auth_time", "nonce", "at_hash",
            "name", "preferred_username",
        ],
        "authorization_response_iss_parameter_supported": true,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    });
    ([(header::CACHE_CONTROL, CACHE_CONTROL)], Json(document)).into_response()
}

pub(super) async fn key_set(State(provider): State<Arc<Provider>>) -> Response {
    let set = provider.tokens.key().key_set();
    ([(header::CACHE_CONTROL, CACHE_CONTROL)], Json(set)).into_response()
}
