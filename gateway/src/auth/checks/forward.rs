//! A service of yours that says yes or no to a request.
//!
//! It is asked by GET with the headers that the table lists, and with `X-Forwarded-Method`, `-Uri`, `-Host`, `-Proto` and
//! `-For`, unless its answers are remembered: those are about the caller alone. A 2xx is a yes; any other answer
//! below 500 is a no, which the client gets as it is.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use route_table::table::{ClaimSource, ForwardCheck, Provider};
use serde_json::{Map, Value};

use super::ask::Ask;
use super::verdicts::{Key, Verdicts};
use crate::auth::caller::Identity;
use crate::auth::credentials::Presented;
use crate::auth::refused::{Reason, Refusal};
use crate::telemetry::Metrics;

/// Headers of a no that the client gets.
const TOLD: [HeaderName; 6] = [
    CACHE_CONTROL,
    CONTENT_TYPE,
    LOCATION,
    RETRY_AFTER,
    SET_COOKIE,
    WWW_AUTHENTICATE,
];

/// One service, and what it said.
#[derive(Debug)]
pub(in crate::auth) struct Forward {
    provider: Provider,
    check: ForwardCheck,
    verdicts: Verdicts,
}

impl Forward {
    pub(in crate::auth) fn new(provider: &Provider, check: &ForwardCheck) -> Self {
        Self {
            provider: provider.clone(),
            check: check.clone(),
            verdicts: Verdicts::new(provider, &check.asked),
        }
    }

    pub(in crate::auth) fn provider(&self) -> &Provider {
        &self.provider
    }

    pub(in crate::auth) fn report_to(&self, metrics: &Metrics) {
        self.verdicts.report_to(metrics);
    }

    /// Asks who brings this request.
    pub(in crate::auth) async fn identify(
        &self,
        presented: Presented<'_>,
        ask: &impl Ask,
    ) -> Result<Arc<Identity>, Refusal> {
        let key = self.key(presented.headers);
        if let Some(known) = self.verdicts.fresh(&key) {
            return Ok(known);
        }
        let asked = &self.check.asked;
        let question = self
            .question(presented)
            .map_err(|_| Refusal::from(Reason::Malformed))?;
        match ask.ask(asked.upstream, question, asked.timeout).await {
            Ok(answer) if answer.status().is_success() => self.yes(key, &answer),
            Ok(answer) if answer.status().is_server_error() => {
                self.verdicts.nobody_answers(&key, &answer.status())
            }
            Ok(answer) => {
                self.verdicts.no(&key);
                Err(Refusal::answered(told(answer)))
            }
            Err(unanswered) => self.verdicts.nobody_answers(&key, &unanswered),
        }
    }

    fn yes(&self, key: Key, answer: &Response<Bytes>) -> Result<Arc<Identity>, Refusal> {
        let Some(claims) = self.claims(answer) else {
            let why = "its answer does not say who it is";
            return self.verdicts.nobody_answers(&key, &why);
        };
        let identity = Arc::new(Identity::new(&self.provider, claims));
        self.verdicts.yes(key, Arc::clone(&identity), Duration::MAX);
        Ok(identity)
    }

    /// What the answer says of the caller. `None`: nothing that can be read.
    fn claims(&self, answer: &Response<Bytes>) -> Option<Map<String, Value>> {
        match &self.check.claims {
            ClaimSource::Body => serde_json::from_slice(answer.body()).ok(),
            ClaimSource::Headers(headers) => headers
                .iter()
                .filter_map(|(claim, name)| Some((claim, answer.headers().get(name)?)))
                .map(|(claim, value)| Some((claim.to_string(), value.to_str().ok()?.into())))
                .collect(),
        }
    }

    fn key(&self, headers: &HeaderMap) -> Key {
        let sent = self.check.send.iter();
        let parts = sent.flat_map(|name| {
            let values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
            std::iter::once(name.as_str().as_bytes()).chain(values)
        });
        Verdicts::key(parts)
    }

    fn question(&self, presented: Presented<'_>) -> http::Result<Request<Bytes>> {
        let mut question = Request::get(&*self.check.asked.target).body(Bytes::new())?;
        let headers = question.headers_mut();
        for name in &self.check.send {
            for value in presented.headers.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        if !self.verdicts.remembers() {
            for (name, value) in presented.forwarded() {
                headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value)?);
            }
        }
        Ok(question)
    }
}

/// What of a no the client gets.
fn told(answer: Response<Bytes>) -> Response<Bytes> {
    let (head, body) = answer.into_parts();
    let mut told = Response::new(body);
    // `304` and their like would mean something else to the client.
    *told.status_mut() = match head.status {
        StatusCode::NOT_MODIFIED => StatusCode::FORBIDDEN,
        status => status,
    };
    for name in TOLD {
        for value in head.headers.get_all(&name) {
            told.headers_mut().append(name.clone(), value.clone());
        }
    }
    told
}
