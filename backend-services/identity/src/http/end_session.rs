//! `/end-session`: signing out, as OpenID Connect RP-Initiated Logout has it.
//!
//! A client that shows an ID token of the session is believed. Anybody else could be another site,
//! so the person is asked first.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use url::Url;

use crate::http::answers::{self, PageError, see_other};
use crate::http::{own_origin, pages, session_cookie};
use crate::parameters::Parameters;
use crate::provider::Provider;
use crate::store::Session;
use crate::tokens::IdClaims;

pub(super) async fn by_query(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let parameters = Parameters::parse(query.unwrap_or_default().as_bytes())?;
    end_session(&provider, &headers, &parameters, false).await
}

pub(super) async fn by_form(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, PageError> {
    let parameters = answers::form(&headers, &body)?;
    let confirmed = parameters.get("confirm").is_some();
    if confirmed {
        own_origin::require(&provider.issuer, &headers)?;
    }
    end_session(&provider, &headers, &parameters, confirmed).await
}

async fn end_session(
    provider: &Provider,
    headers: &HeaderMap,
    parameters: &Parameters,
    confirmed: bool,
) -> Result<Response, PageError> {
    let hint = hint(provider, parameters)?;
    let next = next(provider, parameters, hint.as_ref()).await?;
    let session = current_session(provider, headers).await?;
    // Not the session that the client speaks of: it says nothing about this browser.
    let vouched = hint
        .as_ref()
        .is_some_and(|hint| session.as_ref().is_none_or(|s| s.sid == hint.sid));
    if let Some(session) = &session {
        if !vouched && !confirmed {
            let name = provider
                .users
                .by_sub(&session.sub)
                .map_or("", |user| &user.name);
            return Ok(pages::confirm_sign_out(&provider.issuer, parameters, name).into_response());
        }
        provider.store.end_session(&session.sid).await?;
        tracing::info!(sub = session.sub, "signed out");
    }
    if let Some(hint) = &hint {
        provider.store.end_session(&hint.sid).await?;
    }
    let mut response = match next {
        Some(url) => see_other(&url),
        None => pages::signed_out().into_response(),
    };
    // A form of another site arrives without the cookie: it must not clear it either.
    if session.is_some() {
        let clear = session_cookie::clear(&provider.issuer);
        response.headers_mut().insert(header::SET_COOKIE, clear);
    }
    Ok(response)
}

fn hint(provider: &Provider, parameters: &Parameters) -> Result<Option<IdClaims>, PageError> {
    let Some(token) = parameters.get("id_token_hint") else {
        return Ok(None);
    };
    provider
        .tokens
        .read_id_token_hint(token)
        .map(Some)
        .map_err(|error| {
            tracing::info!(%error, "id_token_hint refused");
            PageError::bad_request("The id_token_hint is not an ID token of this provider.")
        })
}

/// Where the browser goes next: only where the client has registered.
async fn next(
    provider: &Provider,
    parameters: &Parameters,
    hint: Option<&IdClaims>,
) -> Result<Option<Url>, PageError> {
    let Some(uri) = parameters.get("post_logout_redirect_uri") else {
        return Ok(None);
    };
    let client_id = match (hint, parameters.get("client_id")) {
        (Some(hint), Some(id)) if hint.aud != id => {
            return Err(PageError::bad_request(
                "The id_token_hint is another client's.",
            ));
        }
        (Some(hint), _) => Some(hint.aud.as_str()),
        (None, id) => id,
    };
    let client = match client_id {
        Some(id) => provider.store.client(id).await?,
        None => None,
    };
    let registered = client.is_some_and(|client| client.accepts_post_logout_redirect(uri));
    let url = Url::parse(uri).ok().filter(|_| registered);
    let mut url = url.ok_or_else(|| {
        PageError::bad_request(
            "The post_logout_redirect_uri is not one that the client registered.",
        )
    })?;
    if let Some(state) = parameters.get("state") {
        url.query_pairs_mut().append_pair("state", state);
    }
    Ok(Some(url))
}

async fn current_session(
    provider: &Provider,
    headers: &HeaderMap,
) -> Result<Option<Session>, PageError> {
    match session_cookie::read(&provider.issuer, headers) {
        Some(cookie) => Ok(provider.store.session(cookie, provider.clock.now()).await?),
        None => Ok(None),
    }
}
