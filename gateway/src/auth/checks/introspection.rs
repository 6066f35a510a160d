//! Tokens that only their authorisation server can read (RFC 7662).

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use route_table::table::{Introspection, Provider};
use serde_json::{Map, Value};

use super::ask::Ask;
use super::verdicts::{Key, Verdicts};
use crate::auth::caller::Identity;
use crate::auth::claims;
use crate::auth::credentials::Credential;
use crate::auth::refused::{Reason, Refusal};
use crate::telemetry::Metrics;

/// One authorisation server, and what it said.
#[derive(Debug)]
pub(in crate::auth) struct Introspector {
    provider: Provider,
    rules: Introspection,
    /// How the gateway signs in; absent while the secret can't be read.
    authorization: ArcSwapOption<HeaderValue>,
    verdicts: Verdicts,
}

impl Introspector {
    pub(in crate::auth) fn new(provider: &Provider, rules: &Introspection) -> Self {
        let introspector = Self {
            provider: provider.clone(),
            rules: rules.clone(),
            authorization: ArcSwapOption::empty(),
            verdicts: Verdicts::new(provider, &rules.asked),
        };
        introspector.sign_in();
        introspector
    }

    pub(in crate::auth) fn provider(&self) -> &Provider {
        &self.provider
    }

    pub(in crate::auth) fn report_to(&self, metrics: &Metrics) {
        self.verdicts.report_to(metrics);
    }

    /// Asks who brings this token.
    pub(in crate::auth) async fn identify(
        &self,
        credential: Credential<'_>,
        ask: &impl Ask,
    ) -> Result<Arc<Identity>, Refusal> {
        let token = credential.0;
        let key = Verdicts::key(std::iter::once(token.as_bytes()));
        if let Some(known) = self.verdicts.fresh(&key) {
            return Ok(known);
        }
        let asked = &self.rules.asked;
        let Some(question) = self.question(token) else {
            return self
                .verdicts
                .nobody_answers(&key, &"the secret cannot be read");
        };
        match ask.ask(asked.upstream, question, asked.timeout).await {
            Ok(answer) if answer.status() == StatusCode::OK => self.heard(key, &answer),
            Ok(answer) => {
                if answer.status() == StatusCode::UNAUTHORIZED {
                    // A secret that was changed is read again for the next one who comes.
                    self.sign_in();
                }
                self.verdicts.nobody_answers(&key, &answer.status())
            }
            Err(unanswered) => self.verdicts.nobody_answers(&key, &unanswered),
        }
    }

    fn heard(&self, key: Key, answer: &Response<Bytes>) -> Result<Arc<Identity>, Refusal> {
        let claims: Option<Map<String, Value>> = serde_json::from_slice(answer.body()).ok();
        let active = claims.as_ref().and_then(|claims| claims.get("active"));
        let (Some(active), Some(claims)) = (active.and_then(Value::as_bool), &claims) else {
            let why = "its answer does not say whether the token is active";
            return self.verdicts.nobody_answers(&key, &why);
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |since_1970| since_1970.as_secs());
        let expires_at = claims.get("exp").and_then(Value::as_u64);
        let left = expires_at.map_or(Duration::MAX, |exp| {
            Duration::from_secs(exp.saturating_sub(now))
        });
        let refused = match () {
            () if !active => Some(Reason::Inactive),
            () if left.is_zero() => Some(Reason::Expired),
            () if !self.is_audience(claims) => Some(Reason::Audience),
            () => None,
        };
        if let Some(reason) = refused {
            self.verdicts.no(&key);
            return Err(reason.into());
        }
        let identity = Arc::new(Identity::new(&self.provider, claims.clone()));
        self.verdicts.yes(key, Arc::clone(&identity), left);
        Ok(identity)
    }

    fn is_audience(&self, claims: &Map<String, Value>) -> bool {
        let wanted = &self.rules.audiences;
        wanted.is_empty()
            || claims
                .get("aud")
                .is_some_and(|claim| claims::has_one_of(claim, wanted))
    }

    fn question(&self, token: &str) -> Option<Request<Bytes>> {
        let authorization = self.authorization.load_full()?;
        // A token's alphabet has `+`, `/` and `=`, which mean something in a form.
        let encoded: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
        let form = format!("token={encoded}&token_type_hint=access_token");
        let mut question = Request::post(&*self.rules.asked.target)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .ok()?;
        question
            .headers_mut()
            .insert(AUTHORIZATION, HeaderValue::clone(&authorization));
        Some(question)
    }

    /// Reads the secret.
    fn sign_in(&self) {
        let file = &self.rules.client_secret_file;
        match basic(&self.rules.client_id, file) {
            Ok(value) => self.authorization.store(Some(Arc::new(value))),
            Err(error) => {
                let (provider, path) = (&self.provider.name, file.display());
                tracing::error!(%provider, %path, %error, "client secret can not be read");
            }
        }
    }
}

/// The value of `Authorization: Basic` as OAuth wants it: both parts form-encoded first (RFC 6749, section 2.3.1).
fn basic(client_id: &str, secret_file: &Path) -> std::io::Result<HeaderValue> {
    let secret = std::fs::read_to_string(secret_file)?;
    let encoded =
        |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let pair = format!("{}:{}", encoded(client_id), encoded(secret.trim()));
    let value = format!("Basic {}", STANDARD.encode(pair));
    let mut value = HeaderValue::try_from(value).map_err(std::io::Error::other)?;
    value.set_sensitive(true);
    Ok(value)
}
