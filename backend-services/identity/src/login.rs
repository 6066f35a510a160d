//! The client's half of a sign-in, for command lines and demonstrations.
//!
//! [`token_for`] walks the authorization code flow with PKCE over HTTP, as an app on the user's
//! machine would, and knows no other way in. The one thing it spares is the browser: it fills in
//! the login form itself and reads the code from the redirect instead of listening for it.

use std::fmt;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::domain::pkce::Challenge;
use crate::domain::user::{DEVELOPMENT_PASSWORD, Directory};
use crate::opaque::random_secret;
use crate::registrations::{PUBLIC_CLIENT, PUBLIC_REDIRECT_URI};

/// What a token is asked for unless the caller says otherwise.
pub const DEFAULT_SCOPE: &str =
    "openid profile customers:read customers:write orders:read orders:write";

/// How long each of the three requests may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Who signs in, where, and what for.
#[derive(Debug, Clone)]
pub struct LoginRequest<'a> {
    /// Where identity answers, such as `http://127.0.0.1:7003`.
    pub identity: &'a str,
    /// A customer's number, or the e-mail address.
    pub user: &'a str,
    /// Scopes, separated by spaces.
    pub scope: &'a str,
}

/// What the token endpoint answered.
#[derive(Clone, Serialize, Deserialize)]
pub struct TokenSet {
    /// The token for `Authorization: Bearer`.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Lifetime of the access token in seconds.
    pub expires_in: u64,
    /// What was granted; may be less than what was asked for.
    pub scope: String,
    /// Present with the scope `offline_access`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Present with the scope `openid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
}

/// Says why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Nobody answered.
    #[error(
        "identity does not answer at {url}: {reason}; is it running? Start it with \
         `shop run identity --listen 127.0.0.1:7003`, or say where it is with --identity URL"
    )]
    Unreachable {
        /// Where we asked.
        url: String,
        /// What the connection said.
        reason: String,
    },
    /// The base URL is none.
    #[error("`{0}` is no http or https URL; write one such as http://127.0.0.1:7003")]
    InvalidUrl(String),
    /// The number or the address is not a seeded customer's.
    #[error("there is no user `{user}`; the users are {known}")]
    UnknownUser {
        /// What was asked for.
        user: String,
        /// Who there is.
        known: String,
    },
    /// The login was refused.
    #[error("identity refused the login of {user}: {reason}")]
    LoginRefused {
        /// The e-mail address.
        user: String,
        /// What the status means.
        reason: String,
    },
    /// An endpoint answered with an OAuth error.
    #[error("identity refused: {code}: {description}")]
    Refused {
        /// The registered code.
        code: String,
        /// Its description.
        description: String,
    },
    /// What answers there is not this provider.
    #[error("{url} does not answer like the shop's identity: {reason}")]
    Unexpected {
        /// Where we asked.
        url: String,
        /// What was unexpected.
        reason: String,
    },
}

/// Signs a user in and answers with the tokens.
///
/// # Errors
/// Identity does not answer, does not know the user, or refuses; see [`LoginError`].
pub async fn token_for(request: &LoginRequest<'_>) -> Result<TokenSet, LoginError> {
    let email = email_of(request.user)?;
    let flow = Flow::new(request.identity)?;
    let answer = flow.authorize(&email, request.scope).await?;
    flow.redeem(&answer).await
}

/// One walk through the flow.
struct Flow {
    base: String,
    client: Client,
    verifier: String,
    state: String,
    nonce: String,
}

impl Flow {
    fn new(identity: &str) -> Result<Self, LoginError> {
        let base = identity.trim_end_matches('/').to_owned();
        let invalid = || LoginError::InvalidUrl(identity.to_owned());
        let url = Url::parse(&base).map_err(|_| invalid())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid());
        }
        chassis::install_crypto();
        let client = Client::builder()
            .no_proxy()
            // The redirect carries the code to us.
            .redirect(reqwest::redirect::Policy::none())
            .timeout(REQUEST_TIMEOUT)
            .build()
            .map_err(|error| LoginError::Unreachable {
                url: base.clone(),
                reason: cause(&error),
            })?;
        let (verifier, state, nonce) = (random_secret(), random_secret(), random_secret());
        Ok(Self {
            base,
            client,
            verifier,
            state,
            nonce,
        })
    }

    /// Asks for the login page, fills it in, and answers with the code.
    async fn authorize(&self, email: &str, scope: &str) -> Result<String, LoginError> {
        let challenge = Challenge::of(&self.verifier);
        let request = [
            ("response_type", "code"),
            ("client_id", PUBLIC_CLIENT),
            ("redirect_uri", PUBLIC_REDIRECT_URI),
            ("scope", scope),
            ("state", &self.state),
            ("nonce", &self.nonce),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        let authorize = format!("{}/authorize", self.base);
        let page = self
            .send(&authorize, self.client.get(&authorize).query(&request))
            .await?;
        match page.status() {
            StatusCode::OK => {}
            StatusCode::SEE_OTHER => return self.code_in(&page),
            status => return Err(self.unexpected("/authorize", &format!("status {status}"))),
        }
        let credentials = [("username", email), ("password", DEVELOPMENT_PASSWORD)];
        let form: Vec<_> = request.into_iter().chain(credentials).collect();
        let login = format!("{}/login", self.base);
        let answer = self
            .send(&login, self.client.post(&login).form(&form))
            .await?;
        match answer.status() {
            StatusCode::SEE_OTHER => self.code_in(&answer),
            status => Err(LoginError::LoginRefused {
                user: email.to_owned(),
                reason: match status {
                    StatusCode::FORBIDDEN => "wrong password".to_owned(),
                    StatusCode::TOO_MANY_REQUESTS => format!(
                        "too many attempts; try again in {} seconds",
                        header_text(&answer, header::RETRY_AFTER)
                    ),
                    status => format!("status {status}"),
                },
            }),
        }
    }

    /// Redeems the code.
    async fn redeem(&self, code: &str) -> Result<TokenSet, LoginError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", PUBLIC_CLIENT),
            ("redirect_uri", PUBLIC_REDIRECT_URI),
            ("code", code),
            ("code_verifier", &self.verifier),
        ];
        let url = format!("{}/token", self.base);
        let answer = self.send(&url, self.client.post(&url).form(&form)).await?;
        let succeeded = answer.status() == StatusCode::OK;
        let body = self.body(&url, answer).await?;
        if succeeded {
            return serde_json::from_slice(&body)
                .map_err(|error| self.unexpected("/token", &error.to_string()));
        }
        Err(match serde_json::from_slice::<ErrorAnswer>(&body) {
            Ok(answer) => LoginError::Refused {
                code: answer.error,
                description: answer.error_description,
            },
            Err(error) => self.unexpected("/token", &error.to_string()),
        })
    }

    /// Reads the redirect that ends the authorization: the code, or the error.
    fn code_in(&self, answer: &Response) -> Result<String, LoginError> {
        let location = header_text(answer, header::LOCATION);
        let url = Url::parse(&location)
            .ok()
            .filter(|_| location.starts_with(PUBLIC_REDIRECT_URI))
            .ok_or_else(|| self.unexpected("/login", "it redirects elsewhere"))?;
        let value = |name: &str| {
            url.query_pairs()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.into_owned())
        };
        if value("state").as_deref() != Some(&self.state) {
            return Err(self.unexpected("/login", "it answers with another state"));
        }
        if let Some(code) = value("error") {
            let description = value("error_description").unwrap_or_default();
            return Err(LoginError::Refused { code, description });
        }
        value("code").ok_or_else(|| self.unexpected("/login", "it answers without a code"))
    }

    async fn send(
        &self,
        url: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<Response, LoginError> {
        request
            .send()
            .await
            .map_err(|error| unreachable(url, &error))
    }

    async fn body(&self, url: &str, mut answer: Response) -> Result<Vec<u8>, LoginError> {
        let mut body = Vec::new();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|error| unreachable(url, &error))?
        {
            if body.len().saturating_add(chunk.len()) > ANSWER_BYTES_MAX {
                return Err(self.unexpected("/token", "its answer is too long"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unexpected(&self, path: &str, reason: &str) -> LoginError {
        LoginError::Unexpected {
            url: format!("{}{path}", self.base),
            reason: reason.to_owned(),
        }
    }
}

#[derive(Debug, Deserialize)]
struct ErrorAnswer {
    error: String,
    #[serde(default)]
    error_description: String,
}

fn email_of(user: &str) -> Result<String, LoginError> {
    let directory = Directory::seeded().expect("the seed is part of the program and tested");
    let found = directory.by_sub(user).or_else(|| directory.by_email(user));
    found.map(|user| user.email.clone()).ok_or_else(|| {
        let known: Vec<_> = directory
            .users()
            .iter()
            .map(|user| format!("{} ({})", user.sub, user.name))
            .collect();
        LoginError::UnknownUser {
            user: user.to_owned(),
            known: known.join(", "),
        }
    })
}

fn header_text(answer: &Response, name: header::HeaderName) -> String {
    let value = answer
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

fn unreachable(url: &str, error: &reqwest::Error) -> LoginError {
    LoginError::Unreachable {
        url: url.to_owned(),
        reason: cause(error),
    }
}

/// The innermost cause: “connection refused” and not “error sending request”.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Tokens stay out of logs.
impl fmt::Debug for TokenSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSet")
            .field("scope", &self.scope)
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}
