//! Calls to the monolith: one attempt each, for retries are the gateway's.

use std::time::Duration;

use anyhow::Context as _;
use chassis::{Client, Context};
use reqwest::{Response, StatusCode, Url};
use soap::{Element, EnvelopeError, Fault, FaultCode};
use tokio::time::Instant;

use crate::breaker::{Breaker, Permit, Refused};
use crate::counters::Counters;
use crate::translate::{Objection, TranslationError, objection};

/// How long a call may take, answer included.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);

/// The part of a request's deadline that a call may use up, in percent: the rest is for telling the
/// client.
const PATIENCE_PERCENT: u32 = 90;

/// Where the monolith is, and how it has been doing.
#[derive(Debug)]
pub(crate) struct Monolith {
    client: Client,
    endpoint: Url,
    breaker: Breaker,
    counters: Counters,
}

/// Why a call had no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The monolith says no.
    Objection(Objection),
    /// It was not asked.
    BreakerOpen(Refused),
    /// It did not answer within our patience, or the client's.
    Timeout,
    Unreachable,
    /// It answered, and the answer is of no use.
    BadAnswer,
}

/// How an exchange went wrong.
#[derive(Debug, thiserror::Error)]
enum ExchangeError {
    #[error("no answer in time")]
    Late,
    #[error(transparent)]
    Http(reqwest::Error),
    #[error("the answer is larger than {} bytes", soap::DOCUMENT_BYTES_MAX)]
    TooLarge,
    #[error("the answer has the status {0}")]
    Status(StatusCode),
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    #[error("the fault is not one of SOAP 1.1: {0}")]
    Fault(#[from] soap::FieldError),
}

impl Monolith {
    /// The monolith at this base URL.
    pub(crate) fn new(base: &str) -> anyhow::Result<Self> {
        let endpoint = format!("{}/soap", base.trim_end_matches('/'));
        let endpoint: Url = endpoint
            .parse()
            .with_context(|| format!("--legacy-url: `{base}` is no URL"))?;
        anyhow::ensure!(
            matches!(endpoint.scheme(), "http" | "https") && endpoint.query().is_none(),
            "--legacy-url: write a base such as http://127.0.0.1:7001, not `{base}`"
        );
        Ok(Self {
            client: Client::new()?,
            endpoint,
            breaker: Breaker::new(),
            counters: Counters::default(),
        })
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn breaker_state(&self) -> &'static str {
        self.breaker.state()
    }

    /// Calls an operation and translates what it answers.
    pub(crate) async fn ask<T>(
        &self,
        call: Element,
        translate: fn(&Element) -> Result<T, TranslationError>,
    ) -> Result<T, Failure> {
        let operation = call.name.clone();
        let answer = self.call(call).await?;
        let translated = translate(&answer).map_err(|error| {
            self.counters.adapter.untranslatable.count();
            tracing::error!(operation, %error, "cannot translate the monolith's answer");
            Failure::BadAnswer
        })?;
        self.counters.answered.count();
        Ok(translated)
    }

    async fn call(&self, call: Element) -> Result<Element, Failure> {
        let permit = self.breaker.enter().map_err(|refused| {
            self.counters.not_asked.count();
            Failure::BreakerOpen(refused)
        })?;
        self.counters.calls.count();
        let operation = call.name.clone();
        let patience = patience(Context::current().remaining());
        let outcome = tokio::time::timeout(patience, self.exchange(call, patience)).await;
        match outcome {
            // The HTTP client keeps the same time, and either may be first.
            Err(_) | Ok(Err(ExchangeError::Late)) => {
                Err(self.late(&operation, permit, patience < TIMEOUT))
            }
            Ok(Err(error)) => {
                permit.failed();
                Err(self.broken(&operation, &error))
            }
            Ok(Ok(Err(fault))) if fault.code == FaultCode::Server => {
                permit.failed();
                self.counters.monolith.server_faults.count();
                // The reason is the monolith's own text: for the log, never for a client.
                tracing::warn!(operation, reason = %fault.reason, "the monolith has failed");
                Err(Failure::BadAnswer)
            }
            // Who says no is well.
            Ok(Ok(Err(fault))) => {
                permit.succeeded();
                Err(Failure::Objection(self.objection(&operation, &fault)))
            }
            Ok(Ok(Ok(element))) => {
                permit.succeeded();
                Ok(element)
            }
        }
    }

    fn late(&self, operation: &str, permit: Permit<'_>, hastily: bool) -> Failure {
        if hastily {
            // A client without patience is no proof that the monolith is slow: nothing was learnt.
            drop(permit);
            self.counters.out_of_time.count();
        } else {
            permit.failed();
            self.counters.monolith.timeouts.count();
            tracing::warn!(operation, "the monolith did not answer in time");
        }
        Failure::Timeout
    }

    /// Sends a call and takes the answer, or the fault, out of its envelope.
    async fn exchange(
        &self,
        call: Element,
        patience: Duration,
    ) -> Result<Result<Element, Fault>, ExchangeError> {
        // The monolith is told how long we wait, which may be less than the request has left.
        let mut context = Context::current();
        context.deadline = Some(Instant::now() + patience);
        let action = format!("\"{}#{}\"", call.namespace, call.name);
        let request = context
            .scope(async { self.client.post(self.endpoint.clone()) })
            .await
            .header("content-type", soap::CONTENT_TYPE)
            .header("soapaction", action)
            .body(soap::message(call));
        let response = request.send().await?;
        // Over HTTP every fault of SOAP 1.1 is a 500; other failures are no SOAP.
        let status = response.status();
        if status != StatusCode::OK && status != StatusCode::INTERNAL_SERVER_ERROR {
            return Err(ExchangeError::Status(status));
        }
        let element = match soap::open(&read(response).await?) {
            Ok(element) => element,
            Err(_) if status != StatusCode::OK => return Err(ExchangeError::Status(status)),
            Err(error) => return Err(error.into()),
        };
        match Fault::read(&element)? {
            Some(fault) => Ok(Err(fault)),
            None if status == StatusCode::OK => Ok(Ok(element)),
            None => Err(ExchangeError::Status(status)),
        }
    }

    fn objection(&self, operation: &str, fault: &Fault) -> Objection {
        let objection = match fault.code {
            FaultCode::Client => objection(&fault.detail),
            // About the envelope, and that is ours.
            _ => Objection::Misunderstood,
        };
        if objection == Objection::Misunderstood {
            self.counters.adapter.misunderstood.count();
            tracing::error!(operation, reason = %fault.reason, "the monolith misunderstands us");
        } else {
            self.counters.refused.count();
        }
        objection
    }

    fn broken(&self, operation: &str, error: &ExchangeError) -> Failure {
        let failures = &self.counters.monolith;
        let failure = match error {
            ExchangeError::Http(error) if error.is_connect() => {
                failures.unreachable.count();
                Failure::Unreachable
            }
            ExchangeError::Http(_) => {
                failures.broken_off.count();
                Failure::BadAnswer
            }
            _ => {
                failures.garbage.count();
                Failure::BadAnswer
            }
        };
        tracing::warn!(operation, %error, "the monolith gives no answer of use");
        failure
    }
}

impl From<reqwest::Error> for ExchangeError {
    fn from(error: reqwest::Error) -> Self {
        // Who takes long to accept a connection is not there, as far as we are concerned.
        if error.is_timeout() && !error.is_connect() {
            Self::Late
        } else {
            Self::Http(error)
        }
    }
}

/// How long we wait when the request has this time left: never as long as its caller does.
fn patience(left: Option<Duration>) -> Duration {
    left.map_or(TIMEOUT, |left| TIMEOUT.min(left * PATIENCE_PERCENT / 100))
}

/// Reads an answer, and no more of it than the parser would take.
async fn read(mut response: Response) -> Result<Vec<u8>, ExchangeError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > soap::DOCUMENT_BYTES_MAX {
            return Err(ExchangeError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_that_is_none_is_explained() {
        for base in ["", "127.0.0.1:7001", "ftp://x", "http://x?y"] {
            let error = Monolith::new(base).unwrap_err().to_string();
            assert!(error.contains("--legacy-url"), "{base}: {error}");
        }
        let monolith = Monolith::new("http://127.0.0.1:7001/").unwrap();
        assert_eq!(monolith.endpoint.as_str(), "http://127.0.0.1:7001/soap");
    }

    #[test]
    fn we_wait_less_than_our_caller_and_never_more_than_the_timeout() {
        assert_eq!(patience(None), TIMEOUT);
        let waited = patience(Some(Duration::from_secs(1)));
        assert_eq!(waited, Duration::from_millis(900));
        assert_eq!(patience(Some(Duration::from_secs(60))), TIMEOUT);
    }
}
