//! `/token`: where a client turns a grant into tokens.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::domain::client::{Client, Grant};
use crate::domain::error::OAuthError;
use crate::domain::grant::{ACCESS_TOKEN_LIFETIME_S, PersonGrant, Redemption};
use crate::domain::scope::{OFFLINE_ACCESS, OPENID, Scopes};
use crate::http::answers::{self, NO_STORE, TokenEndpointError};
use crate::http::client_auth;
use crate::parameters::Parameters;
use crate::provider::Provider;
use crate::store::{NewRefreshToken, RefreshToken, Rotation};
use crate::tokens::AccessSubject;

/// The successful answer (RFC 6749, section 5.1).
#[derive(Debug, Serialize)]
struct TokenAnswer {
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

pub(super) async fn token(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, TokenEndpointError> {
    let parameters = answers::form(&headers, &body)?;
    let client = client_auth::authenticate(&provider, &headers, &parameters).await?;
    let grant = parameters
        .get("grant_type")
        .ok_or_else(|| OAuthError::invalid_request("grant_type is missing"))?;
    let grant = Grant::parse(grant).ok_or_else(OAuthError::unsupported_grant_type)?;
    if !client.may(grant) {
        return Err(OAuthError::unauthorized_client().into());
    }
    let answer = match grant {
        Grant::AuthorizationCode => by_code(&provider, &client, &parameters).await?,
        Grant::RefreshToken => by_refresh_token(&provider, &client, &parameters).await?,
        Grant::ClientCredentials => by_client_credentials(&provider, &client, &parameters)?,
    };
    tracing::info!(
        client_id = client.id,
        grant = grant.as_str(),
        "tokens issued"
    );
    Ok((NO_STORE, Json(answer)).into_response())
}

async fn by_code(
    provider: &Provider,
    client: &Client,
    parameters: &Parameters,
) -> Result<TokenAnswer, TokenEndpointError> {
    let code = parameters
        .get("code")
        .ok_or_else(|| OAuthError::invalid_request("code is missing"))?;
    let redemption = Redemption {
        redirect_uri: parameters.get("redirect_uri"),
        verifier: parameters.get("code_verifier"),
    };
    let refresh = client.may(Grant::RefreshToken).then(NewRefreshToken::first);
    let now = provider.clock.now();
    let grant = provider
        .store
        .redeem_code(code, &client.id, redemption, refresh.as_ref(), now)
        .await?;
    let refresh = refresh.filter(|_| grant.scope.contains(OFFLINE_ACCESS));
    answer_for(provider, &grant, refresh)
}

async fn by_refresh_token(
    provider: &Provider,
    client: &Client,
    parameters: &Parameters,
) -> Result<TokenAnswer, TokenEndpointError> {
    let text = parameters
        .get("refresh_token")
        .ok_or_else(|| OAuthError::invalid_request("refresh_token is missing"))?;
    let presented = RefreshToken::parse(text)
        .ok_or_else(|| OAuthError::invalid_grant("the refresh token is not known"))?;
    let next = presented.successor();
    let rotation = Rotation {
        presented,
        client_id: &client.id,
        scope: parameters.get("scope"),
    };
    let now = provider.clock.now();
    let grant = provider
        .store
        .rotate_refresh_token(rotation, &next, now)
        .await?;
    answer_for(provider, &grant, Some(next))
}

fn by_client_credentials(
    provider: &Provider,
    client: &Client,
    parameters: &Parameters,
) -> Result<TokenAnswer, TokenEndpointError> {
    let allowed = client.scopes.of_services();
    let scope = match parameters.get("scope") {
        Some(requested) => Scopes::parse(requested).intersection(&allowed),
        None => allowed,
    };
    if scope.is_empty() {
        let description = "scope names nothing that this client may ask for";
        return Err(OAuthError::invalid_scope(description).into());
    }
    // RFC 9068, section 2.2: where there is no person, the subject is the client.
    let subject = AccessSubject {
        sub: &client.id,
        client_id: &client.id,
        scope: &scope,
        auth_time: None,
    };
    let access_token = provider
        .tokens
        .access_token(subject, provider.clock.now())?;
    Ok(TokenAnswer::new(access_token, &scope))
}

/// Makes the tokens of a person's grant.
fn answer_for(
    provider: &Provider,
    grant: &PersonGrant,
    refresh: Option<NewRefreshToken>,
) -> Result<TokenAnswer, TokenEndpointError> {
    let user = provider
        .users
        .by_sub(&grant.sub)
        .ok_or_else(|| OAuthError::invalid_grant("the user is gone"))?;
    let now = provider.clock.now();
    let subject = AccessSubject {
        sub: &grant.sub,
        client_id: &grant.client_id,
        scope: &grant.scope,
        auth_time: Some(grant.auth_time),
    };
    let access_token = provider.tokens.access_token(subject, now)?;
    let id_token = if grant.scope.contains(OPENID) {
        Some(provider.tokens.id_token(grant, user, &access_token, now)?)
    } else {
        None
    };
    let refresh_token = refresh.map(|token| token.text);
    Ok(TokenAnswer {
        refresh_token,
        id_token,
        ..TokenAnswer::new(access_token, &grant.scope)
    })
}

impl TokenAnswer {
    fn new(access_token: String, scope: &Scopes) -> Self {
        Self {
            access_token,
            token_type: "Bearer",
            expires_in: ACCESS_TOKEN_LIFETIME_S,
            scope: scope.to_string(),
            refresh_token: None,
            id_token: None,
        }
    }
}
