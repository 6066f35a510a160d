//! The authorization request: what a client asks when it sends a browser to `/authorize`.
//!
//! Errors come in two kinds. While the client and its redirect URI are in doubt, the browser must
//! not be sent anywhere: the person sees a page. After that, the client learns of errors by
//! redirect (RFC 6749, section 4.1.2.1).

use url::Url;

use crate::clock::UnixSeconds;
use crate::domain::client::{Client, Grant};
use crate::domain::error::OAuthError;
use crate::domain::pkce::Challenge;
use crate::domain::scope::Scopes;
use crate::parameters::Parameters;

/// The parameters of a request that the login form carries along, so that nothing has to be kept
/// for a person who never comes back. They are checked again when the form arrives.
pub(crate) const CARRIED: [&str; 10] = [
    "response_type",
    "response_mode",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "login_hint",
];

/// Longest `state` and `nonce` that are carried, in bytes.
const OPAQUE_BYTES_MAX: usize = 1024;

/// A request that may be granted once somebody is signed in.
#[derive(Debug, Clone)]
pub(crate) struct AuthorizationRequest {
    pub(crate) client_id: String,
    pub(crate) answer_to: AnswerTo,
    pub(crate) scope: Scopes,
    pub(crate) nonce: Option<String>,
    pub(crate) challenge: Challenge,
    pub(crate) prompt: Prompt,
    /// The oldest sign-in that will do, in seconds.
    pub(crate) max_age_s: Option<i64>,
}

/// Where the answer goes, and what the client wants to see again there.
#[derive(Debug, Clone)]
pub(crate) struct AnswerTo {
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
}

/// Whether the person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// Only if nobody is signed in.
    IfNeeded,
    /// Never.
    None,
    /// Always.
    Login,
}

/// Why a request is refused, and who learns of it.
#[derive(Debug, Clone)]
pub(crate) enum Refusal {
    /// The person, on a page of ours.
    Page(String),
    /// The client, by redirect.
    Redirect(AnswerTo, OAuthError),
}

/// Checks a request against its client. `client` is the one that `client_id` names, if any.
pub(crate) fn validate(
    parameters: &Parameters,
    client: Option<&Client>,
) -> Result<AuthorizationRequest, Refusal> {
    let Some(client) = client else {
        return Err(Refusal::Page("The client_id is not known here.".to_owned()));
    };
    let redirect_uri = parameters
        .get("redirect_uri")
        .filter(|uri| client.accepts_redirect(uri))
        .ok_or_else(|| Refusal::Page(unregistered_redirect(client)))?;
    let state = parameters.get("state");
    let answer_to = AnswerTo {
        redirect_uri: redirect_uri.to_owned(),
        state: state.map(str::to_owned),
    };
    check(parameters, client, &answer_to).map_err(|error| Refusal::Redirect(answer_to, error))
}

fn check(
    parameters: &Parameters,
    client: &Client,
    answer_to: &AnswerTo,
) -> Result<AuthorizationRequest, OAuthError> {
    if parameters.get("request").is_some() {
        return Err(OAuthError::request_not_supported());
    }
    if parameters.get("request_uri").is_some() {
        return Err(OAuthError::request_uri_not_supported());
    }
    match parameters.get("response_type") {
        Some("code") => {}
        Some(_) => return Err(OAuthError::unsupported_response_type()),
        None => return Err(OAuthError::invalid_request("response_type is missing")),
    }
    if parameters
        .get("response_mode")
        .is_some_and(|mode| mode != "query")
    {
        return Err(OAuthError::invalid_request("response_mode must be `query`"));
    }
    if !client.may(Grant::AuthorizationCode) {
        return Err(OAuthError::unauthorized_client());
    }
    let nonce = parameters.get("nonce").map(str::to_owned);
    if [&nonce, &answer_to.state]
        .into_iter()
        .flatten()
        .any(|text| text.len() > OPAQUE_BYTES_MAX)
    {
        return Err(OAuthError::invalid_request(format!(
            "state and nonce may have {OPAQUE_BYTES_MAX} bytes each"
        )));
    }
    let scope = parameters
        .get("scope")
        .map(Scopes::parse)
        .unwrap_or_default();
    let scope = scope.intersection(&client.scopes);
    if scope.is_empty() {
        return Err(OAuthError::invalid_scope(
            "scope names nothing that this client may ask for",
        ));
    }
    Ok(AuthorizationRequest {
        client_id: client.id.clone(),
        answer_to: answer_to.clone(),
        scope,
        nonce,
        challenge: challenge(parameters)?,
        prompt: prompt(parameters)?,
        max_age_s: max_age(parameters)?,
    })
}

fn challenge(parameters: &Parameters) -> Result<Challenge, OAuthError> {
    // Without the parameter the method is `plain`, which protects nothing.
    if parameters.get("code_challenge_method") != Some("S256") {
        return Err(OAuthError::invalid_request(
            "PKCE is required: send code_challenge and code_challenge_method=S256",
        ));
    }
    parameters
        .get("code_challenge")
        .and_then(Challenge::parse)
        .ok_or_else(|| {
            OAuthError::invalid_request(
                "code_challenge must be the base64url SHA-256 of the verifier",
            )
        })
}

fn prompt(parameters: &Parameters) -> Result<Prompt, OAuthError> {
    let words: Vec<&str> = parameters
        .get("prompt")
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    if words.contains(&"none") {
        return match words.as_slice() {
            ["none"] => Ok(Prompt::None),
            _ => Err(OAuthError::invalid_request(
                "prompt=none allows no other value beside it",
            )),
        };
    }
    // There is nothing to consent to: all clients are the shop's own.
    let asks = words.contains(&"login") || words.contains(&"select_account");
    Ok(if asks {
        Prompt::Login
    } else {
        Prompt::IfNeeded
    })
}

fn max_age(parameters: &Parameters) -> Result<Option<i64>, OAuthError> {
    let Some(text) = parameters.get("max_age") else {
        return Ok(None);
    };
    match text.parse::<i64>() {
        Ok(seconds) if seconds >= 0 => Ok(Some(seconds)),
        _ => Err(OAuthError::invalid_request(
            "max_age must be a number of seconds",
        )),
    }
}

impl AuthorizationRequest {
    /// Whether a sign-in of `auth_time` will do without asking again.
    pub(crate) fn is_satisfied_by(&self, auth_time: UnixSeconds, now: UnixSeconds) -> bool {
        let fresh = self
            .max_age_s
            .is_none_or(|max| now.saturating_sub(auth_time) < max.max(1));
        // `max_age=0` means `prompt=login`.
        fresh && self.prompt != Prompt::Login && self.max_age_s != Some(0)
    }
}

impl AnswerTo {
    /// The URL that brings `parameters` to the client, with `state` and the issuer (RFC 9207).
    /// `None` if the redirect URI is no URL, which registration rules out.
    pub(crate) fn url(&self, issuer: &str, parameters: &[(&str, &str)]) -> Option<Url> {
        let mut url = Url::parse(&self.redirect_uri).ok()?;
        url.query_pairs_mut()
            .extend_pairs(parameters)
            .extend_pairs(self.state.as_deref().map(|state| ("state", state)))
            .append_pair("iss", issuer);
        Some(url)
    }
}

fn unregistered_redirect(client: &Client) -> String {
    format!(
        "The redirect_uri is not one that “{}” has registered. It is compared to the letter.",
        client.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn client() -> Client {
        Client {
            id: "web".to_owned(),
            name: "Web".to_owned(),
            secret: None,
            redirect_uris: vec!["https://a.example/cb?x=1".to_owned()],
            post_logout_redirect_uris: vec![],
            grants: vec![Grant::AuthorizationCode],
            scopes: Scopes::parse("openid orders:read"),
        }
    }

    /// A good request with some parameters replaced; an empty value leaves one out.
    fn validate_with(changes: &[(&str, &str)]) -> Result<AuthorizationRequest, Refusal> {
        let mut pairs = vec![
            ("client_id", "web"),
            ("redirect_uri", "https://a.example/cb?x=1"),
            ("response_type", "code"),
            ("scope", "openid orders:read orders:write"),
            ("state", "s&t"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in changes {
            pairs.retain(|(known, _)| known != name);
            pairs.push((name, value));
        }
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        validate(
            &Parameters::parse(query.as_bytes()).unwrap(),
            Some(&client()),
        )
    }

    #[track_caller]
    fn error_code(changes: &[(&str, &str)]) -> &'static str {
        match validate_with(changes) {
            Err(Refusal::Redirect(answer_to, error)) => {
                assert_eq!(answer_to.redirect_uri, "https://a.example/cb?x=1");
                error.code
            }
            other => panic!("expected a redirect, got {other:?}"),
        }
    }

    #[test]
    fn a_good_request_gets_the_scopes_that_the_client_may_have() {
        let request = validate_with(&[]).unwrap();
        assert_eq!(request.scope.to_string(), "openid orders:read");
        assert_eq!(request.prompt, Prompt::IfNeeded);
    }

    #[test]
    fn a_doubtful_client_or_redirect_uri_sends_the_browser_nowhere() {
        let nobody = validate(&Parameters::parse(b"client_id=x").unwrap(), None);
        assert!(matches!(nobody, Err(Refusal::Page(_))));
        for uri in ["", "https://a.example/cb", "https://evil.example/"] {
            let refused = validate_with(&[("redirect_uri", uri)]);
            assert!(matches!(refused, Err(Refusal::Page(_))), "{uri}");
        }
    }

    #[test]
    fn every_other_error_reaches_the_client_by_its_registered_code() {
        for (change, code) in [
            (("response_type", "token"), "unsupported_response_type"),
            (("response_type", ""), "invalid_request"),
            (("response_mode", "fragment"), "invalid_request"),
            (("scope", "customers:read"), "invalid_scope"),
            (("scope", ""), "invalid_scope"),
            (("code_challenge", ""), "invalid_request"),
            (("code_challenge_method", "plain"), "invalid_request"),
            (("code_challenge_method", ""), "invalid_request"),
            (("prompt", "none login"), "invalid_request"),
            (("max_age", "-1"), "invalid_request"),
            (("request", "eyJ"), "request_not_supported"),
            (("request_uri", "urn:x"), "request_uri_not_supported"),
        ] {
            assert_eq!(error_code(&[change]), code, "{change:?}");
        }
        assert_eq!(
            error_code(&[("nonce", &"n".repeat(OPAQUE_BYTES_MAX + 1))]),
            "invalid_request"
        );
    }

    #[test]
    fn the_answer_keeps_the_query_of_the_redirect_uri_and_escapes_the_state() {
        let url = validate_with(&[])
            .unwrap()
            .answer_to
            .url("https://i.example", &[("code", "c")]);
        let expected = "https://a.example/cb?x=1&code=c&state=s%26t&iss=https%3A%2F%2Fi.example";
        assert_eq!(url.unwrap().as_str(), expected);
    }

    #[test]
    fn an_older_sign_in_than_max_age_and_prompt_login_ask_again() {
        let satisfied = |changes: &[(&str, &str)], age: i64| {
            validate_with(changes)
                .unwrap()
                .is_satisfied_by(1_000 - age, 1_000)
        };
        assert!(satisfied(&[], 900));
        assert!(satisfied(&[("max_age", "60")], 59));
        assert!(!satisfied(&[("max_age", "60")], 60));
        assert!(!satisfied(&[("max_age", "0")], 0));
        assert!(!satisfied(&[("prompt", "login")], 0));
        assert!(!satisfied(&[("prompt", "select_account")], 0));
        assert!(satisfied(&[("prompt", "consent")], 0));
    }
}
