//! The endpoints, and in [`answers`] the only place where an error becomes a status.

mod discovery;
mod authorize;
mod sign_in;
mod session_cookie;
mod own_origin;
mod token;
mod client_auth;
mod userinfo;
mod end_session;
mod answers;
mod pages;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::provider::Provider;

/// The routes of this service.
pub(crate) fn routes(provider: Arc<Provider>) -> Router {
    Router::new()
        .route(
            "/.well-known/openid-configuration",
            get(discovery::configuration),
        )
        .route("/jwks", get(discovery::key_set))
        .route(
            "/authorize",
            get(authorize::by_query).post(authorize::by_form),
        )
        .route(
            "/login",
            get(sign_in::without_request).post(sign_in::submit),
        )
        .route("/token", post(token::token))
        .route(
            "/userinfo",
            get(userinfo::userinfo).post(userinfo::userinfo),
        )
        .route(
            "/end-session",
            get(end_session::by_query).post(end_session::by_form),
        )
        .with_state(provider)
}
