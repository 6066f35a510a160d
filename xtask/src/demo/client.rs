//! Requests of a visitor of the edge, and answers that can be judged.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::header::HeaderMap;
use reqwest::{Certificate, Client, RequestBuilder, StatusCode, Version};

/// How long one step's request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a body that are shown when a step fails.
const SHOWN_BYTES: usize = 600;

/// A client that trusts nothing but the demo's authority and follows no redirect.
pub(crate) fn trusting(ca: &Path, http1_only: bool) -> anyhow::Result<Client> {
    let pem = std::fs::read(ca).with_context(|| format!("cannot read {}", ca.display()))?;
    let builder = Client::builder()
        .tls_certs_only([Certificate::from_pem(&pem)?])
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT);
    let builder = if http1_only {
        builder.http1_only()
    } else {
        builder
    };
    Ok(builder.build()?)
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// What was asked, for messages.
    asked: String,
}

/// Sends the request and reads the whole answer.
pub(crate) async fn send(request: RequestBuilder) -> anyhow::Result<Reply> {
    let (client, request) = request.build_split();
    let request = request?;
    let asked = format!("{} {}", request.method(), request.url());
    let response = client
        .execute(request)
        .await
        .with_context(|| format!("{asked} got no answer"))?;
    Ok(Reply {
        status: response.status(),
        version: response.version(),
        headers: response.headers().clone(),
        body: response
            .text()
            .await
            .with_context(|| format!("{asked}: the body broke off"))?,
        asked,
    })
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    pub(crate) fn json(&self) -> anyhow::Result<serde_json::Value> {
        match serde_json::from_str(&self.body) {
            Ok(value) => Ok(value),
            Err(error) => self.refuse(&format!("the body is no JSON ({error})")),
        }
    }

    pub(crate) fn expect_status(&self, status: u16) -> anyhow::Result<&Self> {
        if self.status.as_u16() == status {
            return Ok(self);
        }
        self.refuse(&format!("expected {status}"))
    }

    /// Makes sure that the answer is a problem with this code.
    pub(crate) fn expect_problem(&self, status: u16, code: &str) -> anyhow::Result<&Self> {
        self.expect_status(status)?;
        if self.header("content-type") != "application/problem+json" {
            return self.refuse("expected problem details");
        }
        if self.json()?.get("code").and_then(serde_json::Value::as_str) != Some(code) {
            return self.refuse(&format!("expected the code `{code}`"));
        }
        Ok(self)
    }

    pub(crate) fn expect_header(&self, name: &str, start: &str) -> anyhow::Result<&Self> {
        if self.headers.contains_key(name) && self.header(name).starts_with(start) {
            return Ok(self);
        }
        self.refuse(&format!("expected the header {name}: {start}…"))
    }

    /// Fails, showing the answer.
    pub(crate) fn refuse<T>(&self, expected: &str) -> anyhow::Result<T> {
        let body: String = self.body.chars().take(SHOWN_BYTES).collect();
        bail!(
            "{expected}\n{} answered {}\n{:#?}\n{body}",
            self.asked,
            self.status,
            self.headers
        )
    }
}
