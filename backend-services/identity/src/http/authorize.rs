//! `/authorize`: where a client sends the browser.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use url::Url;

use crate::domain::authorization::{self, AuthorizationRequest, Prompt, Refusal};
use crate::domain::error::OAuthError;
use crate::domain::grant::{CODE_LIFETIME_S, IssuedCode, PersonGrant};
use crate::http::answers::{self, PageError, see_other};
use crate::http::{pages, session_cookie};
use crate::opaque::{Hash, random_secret};
use crate::parameters::Parameters;
use crate::provider::Provider;
use crate::store::Session;

pub(super) async fn by_query(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let parameters = Parameters::parse(query.unwrap_or_default().as_bytes())?;
    authorize(&provider, &headers, &parameters).await
}

pub(super) async fn by_form(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, PageError> {
    let parameters = answers::form(&headers, &body)?;
    authorize(&provider, &headers, &parameters).await
}

async fn authorize(
    provider: &Provider,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Response, PageError> {
    let request = understand(provider, parameters).await?;
    if let Some(session) = satisfying_session(provider, headers, &request).await? {
        return Ok(see_other(&issue_code(provider, request, &session).await?));
    }
    if request.prompt == Prompt::None {
        let refusal = Refusal::Redirect(request.answer_to, OAuthError::login_required());
        return Err(PageError::refused(refusal, &provider.issuer));
    }
    let form = pages::LoginForm {
        provider,
        parameters,
        redirect_uri: &request.answer_to.redirect_uri,
        name: parameters.get("login_hint").unwrap_or_default(),
        error: None,
    };
    Ok(form.page(StatusCode::OK).into_response())
}

/// Checks a request against the client that it names.
pub(super) async fn understand(
    provider: &Provider,
    parameters: &Parameters,
) -> Result<AuthorizationRequest, PageError> {
    let client = match parameters.get("client_id") {
        Some(id) => provider.store.client(id).await?,
        None => None,
    };
    authorization::validate(parameters, client.as_ref())
        .map_err(|refusal| PageError::refused(refusal, &provider.issuer))
}

/// The browser's session, if it spares the person a new login.
async fn satisfying_session(
    provider: &Provider,
    headers: &HeaderMap,
    request: &AuthorizationRequest,
) -> Result<Option<Session>, PageError> {
    let Some(cookie) = session_cookie::read(&provider.issuer, headers) else {
        return Ok(None);
    };
    let now = provider.clock.now();
    let session = provider.store.session(cookie, now).await?;
    Ok(session.filter(|session| request.is_satisfied_by(session.auth_time, now)))
}

/// Issues a code for what a person signed in to, and says where to bring it.
pub(super) async fn issue_code(
    provider: &Provider,
    request: AuthorizationRequest,
    session: &Session,
) -> Result<Url, PageError> {
    let code = random_secret();
    let now = provider.clock.now();
    let answer_to = request.answer_to;
    let issued = IssuedCode {
        grant: PersonGrant {
            client_id: request.client_id,
            sub: session.sub.clone(),
            sid: session.sid.clone(),
            auth_time: session.auth_time,
            scope: request.scope,
            nonce: request.nonce,
        },
        redirect_uri: answer_to.redirect_uri.clone(),
        challenge: request.challenge,
        expires_at: now.saturating_add(CODE_LIFETIME_S),
    };
    provider
        .store
        .add_code(Hash::of(&code), &issued, now)
        .await?;
    answer_to
        .url(provider.issuer.as_str(), &[("code", &code)])
        .ok_or_else(PageError::internal)
}
