//! The OpenID provider, from the client's side.

use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use url::Url;

/// Who this client is at its provider.
const CLIENT_ID: &str = "bff-web";

/// What a session may do.
const SCOPE: &str = "openid profile customers:read orders:read orders:write";

/// How long the provider may take to answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Where people sign in.
#[derive(Clone, clap::Args)]
pub struct ProviderOptions {
    /// The OpenID provider, as browsers and its tokens name it.
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://localhost:8443/identity"
    )]
    pub issuer: String,
    /// The provider as this process reaches it.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7003")]
    pub identity_url: String,
    /// This client's secret at the provider. Prefer the variable: command lines show in the process list.
    #[arg(
        long,
        value_name = "SECRET",
        env = "BANYAN_BFF_WEB_SECRET",
        default_value = "bff-web-dev-secret",
        hide_env_values = true
    )]
    pub client_secret: String,
}

impl std::fmt::Debug for ProviderOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderOptions")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// The provider, ready to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    http: reqwest::Client,
    options: ProviderOptions,
    issuer: Url,
}

/// What a code was exchanged for.
pub(super) struct Tokens {
    pub(super) access_token: String,
    pub(super) expires_in: Duration,
    pub(super) user: String,
    pub(super) name: String,
}

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProviderError {
    #[error("the provider cannot be reached: {0}")]
    Unreachable(#[from] reqwest::Error),
    #[error("the provider did not take the code")]
    Refused,
    #[error("the provider's ID token is not valid: {0}")]
    BadIdToken(String),
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: u64,
    id_token: String,
}

#[derive(Deserialize)]
struct IdClaims {
    sub: String,
    nonce: Option<String>,
    name: Option<String>,
}

impl Provider {
    pub(crate) fn new(options: ProviderOptions) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let issuer = Url::parse(&options.issuer)
            .map_err(|error| anyhow::anyhow!("--issuer {}: {error}", options.issuer))?;
        Ok(Self {
            http,
            issuer,
            options,
        })
    }

    /// The public address of this service, which the provider sends people back to.
    pub(super) fn own(&self, path: &str) -> String {
        format!("{}{path}", self.issuer.origin().ascii_serialization())
    }

    /// Where a person is sent to sign in.
    pub(super) fn authorize_url(&self, state: &str, nonce: &str, challenge: &str) -> String {
        let query = [
            ("response_type", "code"),
            ("client_id", CLIENT_ID),
            ("redirect_uri", &self.own("/web/callback")),
            ("scope", SCOPE),
            ("state", state),
            ("nonce", nonce),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
        ];
        let base = format!("{}/authorize", self.options.issuer.trim_end_matches('/'));
        Url::parse_with_params(&base, query).map_or(base, String::from)
    }

    /// Exchanges a code and checks the ID token that comes with it.
    pub(super) async fn exchange(
        &self,
        code: &str,
        verifier: &str,
        nonce: &str,
    ) -> Result<Tokens, ProviderError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.own("/web/callback")),
            ("code_verifier", verifier),
        ];
        let request = self.http.post(self.back_channel("token")).form(&form);
        let request = request.basic_auth(CLIENT_ID, Some(&self.options.client_secret));
        let response = request.send().await?;
        if !response.status().is_success() {
            return Err(ProviderError::Refused);
        }
        let answer: TokenAnswer = response.json().await?;
        let keys: JwkSet = self
            .http
            .get(self.back_channel("jwks"))
            .send()
            .await?
            .json()
            .await?;
        let claims = self.verify(&answer.id_token, &keys, nonce)?;
        Ok(Tokens {
            access_token: answer.access_token,
            expires_in: Duration::from_secs(answer.expires_in),
            name: claims.name.unwrap_or_else(|| claims.sub.clone()),
            user: claims.sub,
        })
    }

    fn back_channel(&self, endpoint: &str) -> String {
        format!(
            "{}/{endpoint}",
            self.options.identity_url.trim_end_matches('/')
        )
    }

    /// OpenID Connect Core 1.0, section 3.1.3.7.
    fn verify(&self, token: &str, keys: &JwkSet, nonce: &str) -> Result<IdClaims, ProviderError> {
        let bad = |reason: String| ProviderError::BadIdToken(reason);
        let header = decode_header(token).map_err(|error| bad(error.to_string()))?;
        let key = match &header.kid {
            Some(kid) => keys.find(kid),
            None => keys.keys.first(),
        };
        let key = key.ok_or_else(|| bad("no key fits".to_owned()))?;
        let key = DecodingKey::from_jwk(key).map_err(|error| bad(error.to_string()))?;
        let mut rules = Validation::new(Algorithm::ES256);
        rules.algorithms = vec![Algorithm::ES256, Algorithm::RS256];
        rules
            .algorithms
            .retain(|algorithm| *algorithm == header.alg);
        rules.set_issuer(&[&self.options.issuer]);
        rules.set_audience(&[CLIENT_ID]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        if rules.algorithms.is_empty() {
            return Err(bad(format!("{:?} is not accepted", header.alg)));
        }
        let claims =
            decode::<IdClaims>(token, &key, &rules).map_err(|error| bad(error.to_string()))?;
        if claims.claims.nonce.as_deref() != Some(nonce) {
            return Err(bad("it belongs to another attempt".to_owned()));
        }
        Ok(claims.claims)
    }
}
