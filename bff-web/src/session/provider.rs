//! The OpenID provider, from the client's side.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chassis::Client;
use composition::BaseUrl;
use jsonwebtoken::jwk::JwkSet;
use reqwest::{RequestBuilder, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;
use url::Url;

use crate::session::id_token::{IdClaims, verify};

/// Who this client is at its provider.
pub(super) const CLIENT_ID: &str = "bff-web";

/// What a session may do. `offline_access` asks for a refresh token.
const SCOPE: &str = "openid profile offline_access customers:read orders:read orders:write";

/// How long the provider may take to answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Bytes of an answer of the provider.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Where people sign in.
#[derive(Debug, Clone, clap::Args)]
pub struct ProviderOptions {
    /// The OpenID provider, as browsers and its tokens name it.
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://localhost:8443/identity"
    )]
    pub issuer: BaseUrl,
    /// The provider as this process reaches it.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7003")]
    pub identity_url: BaseUrl,
    /// This shop as browsers reach it [default: the origin of --issuer].
    #[arg(long, value_name = "URL")]
    pub public_url: Option<BaseUrl>,
    /// This client's secret at the provider. Prefer the variable or the file: command lines show in the
    /// process list.
    #[arg(
        long,
        value_name = "SECRET",
        env = "BANYAN_BFF_WEB_SECRET",
        default_value = "bff-web-dev-secret",
        hide_env_values = true
    )]
    pub client_secret: Secret,
    /// File that holds the secret; it wins over --client-secret.
    #[arg(long, value_name = "FILE")]
    pub client_secret_file: Option<PathBuf>,
}

/// A client's secret, which no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl FromStr for Secret {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            Err("a secret must not be empty")
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The provider, ready to be asked. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Provider(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    issuer: BaseUrl,
    identity: BaseUrl,
    /// Scheme, host and port of this shop.
    origin: String,
    secret: Secret,
    metadata: OnceCell<Metadata>,
}

/// What the provider says of itself (OpenID Connect Discovery 1.0).
#[derive(Debug, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    end_session_endpoint: Option<String>,
}

/// The answer of the token endpoint.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    pub(super) access_token: String,
    /// Seconds.
    #[serde(default = "five_minutes")]
    pub(super) expires_in: u64,
    pub(super) refresh_token: Option<String>,
    pub(super) id_token: Option<String>,
}

/// A code's worth: tokens, and who has signed in.
pub(super) struct SignedIn {
    pub(super) tokens: TokenAnswer,
    pub(super) id_token: String,
    pub(super) claims: IdClaims,
}

/// Why the provider did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProviderError {
    #[error("the provider cannot be reached: {0}")]
    Unreachable(#[from] reqwest::Error),
    #[error("the provider refused: {0}")]
    Refused(String),
    #[error("the provider's answer cannot be used: {0}")]
    BadAnswer(String),
    #[error("the provider's ID token is not valid: {0}")]
    BadIdToken(String),
}

impl ProviderError {
    /// Whether the grant is gone for good, and not only the provider for a while.
    pub(super) fn is_invalid_grant(&self) -> bool {
        matches!(self, Self::Refused(code) if code == "invalid_grant")
    }
}

fn five_minutes() -> u64 {
    300
}

impl Provider {
    pub(crate) fn new(options: ProviderOptions) -> anyhow::Result<Self> {
        let public = options.public_url.as_ref().unwrap_or(&options.issuer);
        let origin = Url::parse(public.as_str())?.origin().ascii_serialization();
        let secret = match &options.client_secret_file {
            None => options.client_secret,
            Some(path) => std::fs::read_to_string(path)
                .with_context(|| format!("--client-secret-file {}", path.display()))?
                .trim()
                .parse()
                .map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?,
        };
        Ok(Self(Arc::new(Inner {
            client: Client::new()?,
            issuer: options.issuer,
            identity: options.identity_url,
            origin,
            secret,
            metadata: OnceCell::new(),
        })))
    }

    /// Scheme, host and port that browsers reach this shop by.
    pub(crate) fn own_origin(&self) -> &str {
        &self.0.origin
    }

    /// The provider's origin, to which forms of ours may lead.
    pub(crate) fn origin(&self) -> Option<String> {
        let issuer = Url::parse(self.issuer()).ok()?;
        Some(issuer.origin().ascii_serialization())
    }

    pub(super) fn issuer(&self) -> &str {
        self.0.issuer.as_str()
    }

    /// Where a person is sent to sign in.
    pub(super) async fn authorize_url(
        &self,
        state: &str,
        nonce: &str,
        challenge: &str,
    ) -> Result<String, ProviderError> {
        let endpoint = &self.metadata().await?.authorization_endpoint;
        let mut url = web_url(endpoint)?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", CLIENT_ID)
            .append_pair("redirect_uri", &self.redirect_uri())
            .append_pair("scope", SCOPE)
            .append_pair("state", state)
            .append_pair("nonce", nonce)
            .append_pair("code_challenge", challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// Where a person is sent to sign out there too; `None` when the provider has no such page.
    pub(super) async fn end_session_url(&self, id_token: &str) -> Option<String> {
        let metadata = self.metadata().await.ok()?;
        let mut url = web_url(metadata.end_session_endpoint.as_ref()?).ok()?;
        url.query_pairs_mut()
            .append_pair("id_token_hint", id_token)
            .append_pair("client_id", CLIENT_ID)
            .append_pair("post_logout_redirect_uri", &format!("{}/", self.0.origin));
        Some(url.into())
    }

    /// Exchanges a code and checks the ID token that comes with it.
    pub(super) async fn exchange(
        &self,
        code: &str,
        verifier: &str,
        nonce: &str,
    ) -> Result<SignedIn, ProviderError> {
        let tokens = self
            .ask_for_tokens(&[
                ("grant_type", "authorization_code"),
                ("code", code),
                ("redirect_uri", &self.redirect_uri()),
                ("code_verifier", verifier),
            ])
            .await?;
        let id_token = tokens
            .id_token
            .clone()
            .ok_or_else(|| ProviderError::BadIdToken("there is none".to_owned()))?;
        let keys = self.back_channel(&self.metadata().await?.jwks_uri);
        let keys: JwkSet = self.answer(self.0.client.get(keys)).await?;
        let claims = verify(&id_token, &keys, self.issuer(), CLIENT_ID, nonce)
            .map_err(ProviderError::BadIdToken)?;
        Ok(SignedIn {
            tokens,
            id_token,
            claims,
        })
    }

    /// New tokens for an old refresh token.
    pub(super) async fn refresh(&self, refresh_token: &str) -> Result<TokenAnswer, ProviderError> {
        self.ask_for_tokens(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
        ])
        .await
    }

    async fn ask_for_tokens(&self, form: &[(&str, &str)]) -> Result<TokenAnswer, ProviderError> {
        let url = self.back_channel(&self.metadata().await?.token_endpoint);
        let request = self.0.client.post(url).form(form);
        self.answer(request.basic_auth(CLIENT_ID, Some(&self.0.secret.0)))
            .await
    }

    fn redirect_uri(&self) -> String {
        format!("{}/web/callback", self.0.origin)
    }

    /// Asked once it is needed, so that the provider may start after us.
    async fn metadata(&self) -> Result<&Metadata, ProviderError> {
        let ask = async || {
            let url = format!("{}/.well-known/openid-configuration", self.0.identity);
            let metadata: Metadata = self.answer(self.0.client.get(url)).await?;
            // A document of another issuer would let that one sign people in here.
            if metadata.issuer.trim_end_matches('/') == self.issuer() {
                return Ok(metadata);
            }
            Err(ProviderError::BadAnswer(format!(
                "it calls itself {}, not {}",
                metadata.issuer,
                self.issuer()
            )))
        };
        self.0.metadata.get_or_try_init(ask).await
    }

    /// The provider's endpoint as this process reaches it.
    fn back_channel(&self, endpoint: &str) -> String {
        match endpoint.strip_prefix(self.issuer()) {
            Some(path) => format!("{}{path}", self.0.identity),
            None => endpoint.to_owned(),
        }
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, ProviderError> {
        #[derive(Deserialize)]
        struct Refusal {
            error: String,
        }
        let response = request.timeout(TIMEOUT).send().await?;
        let status = response.status();
        let body = limited(response).await?;
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|error| ProviderError::BadAnswer(error.to_string()));
        }
        let refusal: Option<Refusal> = serde_json::from_slice(&body).ok();
        Err(match refusal {
            Some(refusal) if status.is_client_error() => ProviderError::Refused(refusal.error),
            _ => ProviderError::BadAnswer(status.to_string()),
        })
    }
}

/// An address that a browser may be sent to.
fn web_url(text: &str) -> Result<Url, ProviderError> {
    let url = Url::parse(text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or_else(|| ProviderError::BadAnswer(format!("`{text}` is no address of a page")))
}

async fn limited(mut response: Response) -> Result<Vec<u8>, ProviderError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            let reason = format!("longer than {ANSWER_BYTES_MAX} bytes");
            return Err(ProviderError::BadAnswer(reason));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
