//! Who is asking: client authentication at the token endpoint (RFC 6749, section 2.3).

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::form_urlencoded;

use crate::domain::client::Client;
use crate::domain::error::OAuthError;
use crate::http::answers::TokenEndpointError;
use crate::parameters::Parameters;
use crate::provider::Provider;

/// What a client says about itself.
#[derive(Debug, PartialEq, Eq)]
struct Credentials {
    client_id: String,
    secret: Option<String>,
}

/// The client that the request proves to come from.
pub(super) async fn authenticate(
    provider: &Provider,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Client, TokenEndpointError> {
    let credentials = credentials(headers, parameters)?;
    provider
        .store
        .client(&credentials.client_id)
        .await?
        .filter(|client| client.is_proven_by(credentials.secret.as_deref()))
        .ok_or_else(|| OAuthError::invalid_client().into())
}

fn credentials(headers: &HeaderMap, parameters: &Parameters) -> Result<Credentials, OAuthError> {
    let client_id = parameters.get("client_id");
    let secret = parameters.get("client_secret");
    let Some(authorization) = headers.get(header::AUTHORIZATION) else {
        let client_id = client_id.ok_or_else(OAuthError::invalid_client)?;
        return Ok(Credentials {
            client_id: client_id.to_owned(),
            secret: secret.map(str::to_owned),
        });
    };
    let credentials = authorization
        .to_str()
        .ok()
        .and_then(basic)
        .ok_or_else(OAuthError::invalid_client)?;
    if secret.is_some() || client_id.is_some_and(|id| id != credentials.client_id) {
        return Err(OAuthError::invalid_request(
            "the client says twice who it is: use the header or the body",
        ));
    }
    Ok(credentials)
}

/// Reads `Basic`. Unlike elsewhere in HTTP, both halves are form-encoded first.
fn basic(authorization: &str) -> Option<Credentials> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let client_id = form_decode(id);
    let secret = form_decode(secret);
    let secret = (!secret.is_empty()).then_some(secret);
    (!client_id.is_empty()).then_some(Credentials { client_id, secret })
}

fn form_decode(text: &str) -> String {
    // As the value of a pair; a bare `&` cannot be in encoded text.
    form_urlencoded::parse(format!("v={text}").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn read(authorization: Option<&str>, body: &str) -> Result<Credentials, &'static str> {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        let parameters = Parameters::parse(body.as_bytes()).unwrap();
        credentials(&headers, &parameters).map_err(|error| error.code)
    }

    fn header_of(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn a_client_says_who_it_is_in_the_header_or_in_the_body() {
        let expected = Credentials {
            client_id: "a".to_owned(),
            secret: Some("s:%".to_owned()),
        };
        assert_eq!(
            read(Some(&header_of("a:s%3A%25")), "client_id=a").unwrap(),
            expected
        );
        assert_eq!(
            read(None, "client_id=a&client_secret=s%3A%25").unwrap(),
            expected
        );
        let public = Credentials {
            client_id: "a".to_owned(),
            secret: None,
        };
        assert_eq!(read(None, "client_id=a").unwrap(), public);
    }

    #[test]
    fn a_client_that_says_it_twice_or_differently_is_refused() {
        let both = read(Some(&header_of("a:s")), "client_secret=s");
        assert_eq!(both.unwrap_err(), "invalid_request");
        let other = read(Some(&header_of("a:s")), "client_id=b");
        assert_eq!(other.unwrap_err(), "invalid_request");
    }

    #[test]
    fn what_is_no_basic_header_proves_nobody() {
        for value in [
            "Bearer x",
            "Basic",
            "Basic %%%",
            &header_of("no colon"),
            &header_of(":s"),
        ] {
            assert_eq!(
                read(Some(value), "").unwrap_err(),
                "invalid_client",
                "{value}"
            );
        }
        assert_eq!(read(None, "").unwrap_err(), "invalid_client");
    }
}
