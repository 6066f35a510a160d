//! The registry's API, call by call.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;

use crate::wire::{Lease, Registration, Renewal, ServiceView, Status, StatusChange};

/// How long any call but a long poll may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// What a long poll may take beyond the time it asked the registry to wait.
const POLL_GRACE: Duration = Duration::from_secs(5);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Idle connections are closed before the peer's common five seconds.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// Bytes of a registry's answer; a larger one is not read.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Characters of a refusal that are kept for the log.
const DETAIL_CHARS_MAX: usize = 200;

/// Talks to one registry. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RegistryClient {
    http: reqwest::Client,
    base: Url,
}

/// Why a call to the registry brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("`{url}` is no registry URL: {reason}; write for example http://127.0.0.1:7000")]
    BadUrl { url: String, reason: String },
    #[error("TLS cannot be set up")]
    NoTls(#[source] reqwest::Error),
    #[error("the registry cannot be reached: {}", root_cause(.0))]
    Unreachable(#[source] reqwest::Error),
    #[error("the registry knows no such lease")]
    UnknownLease,
    #[error("the registry says that the instance belongs to another lease")]
    AnothersLease,
    #[error("the registry refused with {status}: {detail}")]
    Refused { status: u16, detail: String },
    #[error("the registry's answer cannot be read: {0}")]
    Garbage(String),
}

impl RegistryClient {
    /// Prepares a client for the registry at `base_url`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`RegistryError::BadUrl`] when it is no `http` or `https` URL; [`RegistryError::NoTls`] when an
    /// `https` registry is wanted on a machine that trusts nobody.
    pub fn new(base_url: &str) -> Result<Self, RegistryError> {
        let bad = |reason: String| RegistryError::BadUrl {
            url: base_url.to_owned(),
            reason,
        };
        let base = Url::parse(base_url).map_err(|error| bad(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(bad("it must begin with http:// or https://".to_owned()));
        }
        let http = http_client(base.scheme() == "https").map_err(RegistryError::NoTls)?;
        Ok(Self { http, base })
    }

    /// Registers an instance, or takes its registration over after a restart.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn register(
        &self,
        service: &str,
        id: &str,
        registration: &Registration,
    ) -> Result<Lease, RegistryError> {
        let request = self.instance(Method::PUT, service, id, None);
        read(send_json(request, registration).await?).await
    }

    /// Prolongs a lease.
    ///
    /// # Errors
    /// [`RegistryError::UnknownLease`]: register again. [`RegistryError::AnothersLease`]: another process
    /// has taken the id.
    pub async fn renew(&self, service: &str, id: &str, lease: &Lease) -> Result<(), RegistryError> {
        let request = self.instance(Method::POST, service, id, Some("renew"));
        send_json(
            request,
            &Renewal {
                lease_id: lease.lease_id.clone(),
            },
        )
        .await
        .map(drop)
    }

    /// Says how the instance is doing.
    ///
    /// # Errors
    /// As [`RegistryClient::renew`].
    pub async fn set_status(
        &self,
        service: &str,
        id: &str,
        lease: &Lease,
        status: Status,
    ) -> Result<(), RegistryError> {
        let request = self.instance(Method::PATCH, service, id, Some("status"));
        send_json(
            request,
            &StatusChange {
                lease_id: lease.lease_id.clone(),
                status,
            },
        )
        .await
        .map(drop)
    }

    /// Takes an instance off the list.
    ///
    /// # Errors
    /// As [`RegistryClient::renew`].
    pub async fn deregister(
        &self,
        service: &str,
        id: &str,
        lease: &Lease,
    ) -> Result<(), RegistryError> {
        let request = self.instance(Method::DELETE, service, id, None);
        send_json(
            request,
            &Renewal {
                lease_id: lease.lease_id.clone(),
            },
        )
        .await
        .map(drop)
    }

    /// Lists a service's instances: at once, or as soon as the list's index is above `index`, but after
    /// `wait` at the latest.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn instances(
        &self,
        service: &str,
        index: u64,
        wait: Duration,
    ) -> Result<ServiceView, RegistryError> {
        let wait_ms = format!("{}ms", wait.as_millis());
        let request = self
            .http
            .get(self.url(&["v1", "services", service]))
            .query(&[("index", index.to_string()), ("wait", wait_ms)])
            .timeout(wait + POLL_GRACE);
        let response = request.send().await.map_err(RegistryError::Unreachable)?;
        read(checked(response).await?).await
    }

    fn instance(
        &self,
        method: Method,
        service: &str,
        id: &str,
        verb: Option<&str>,
    ) -> RequestBuilder {
        let mut segments = vec!["v1", "services", service, "instances", id];
        segments.extend(verb);
        self.http
            .request(method, self.url(&segments))
            .timeout(CALL_TIMEOUT)
    }

    /// Joins path segments; names are escaped, so that a service called `a/b` stays one segment.
    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

/// A client for the control plane: no proxy, no redirects, and no wait without an end.
fn http_client(tls: bool) -> Result<reqwest::Client, reqwest::Error> {
    // Whoever was first in this process has chosen; the error says that.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT);
    // Without TLS nobody needs the machine's certificates, and a machine may have none.
    if tls {
        builder.build()
    } else {
        builder.tls_certs_only([]).build()
    }
}

/// What went wrong at the bottom: reqwest's own text says only that something did.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

async fn send_json<T: Serialize + Sync>(
    request: RequestBuilder,
    body: &T,
) -> Result<Response, RegistryError> {
    checked(
        request
            .json(body)
            .send()
            .await
            .map_err(RegistryError::Unreachable)?,
    )
    .await
}

/// Sorts the statuses that callers react to.
async fn checked(response: Response) -> Result<Response, RegistryError> {
    match response.status() {
        status if status.is_success() => Ok(response),
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(RegistryError::UnknownLease),
        StatusCode::CONFLICT => Err(RegistryError::AnothersLease),
        status => {
            let body = bounded(response).await.unwrap_or_default();
            Err(RegistryError::Refused {
                status: status.as_u16(),
                detail: detail_of(&body),
            })
        }
    }
}

/// The `detail` of a problem document, else the beginning of whatever came.
fn detail_of(body: &[u8]) -> String {
    let problem: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let detail = problem
        .as_ref()
        .and_then(|problem| problem.get("detail")?.as_str());
    let text = detail.map_or_else(|| String::from_utf8_lossy(body), Into::into);
    text.chars()
        .filter(|c| !c.is_control())
        .take(DETAIL_CHARS_MAX)
        .collect()
}

/// Reads a bounded JSON answer.
async fn read<T: serde::de::DeserializeOwned>(response: Response) -> Result<T, RegistryError> {
    let body = bounded(response).await?;
    serde_json::from_slice(&body).map_err(|error| RegistryError::Garbage(error.to_string()))
}

async fn bounded(mut response: Response) -> Result<Vec<u8>, RegistryError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(RegistryError::Unreachable)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(RegistryError::Garbage(format!(
                "longer than {ANSWER_BYTES_MAX} bytes"
            )));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_one_segment() {
        let client = RegistryClient::new("http://127.0.0.1:7000/").expect("a URL");
        let url = client.url(&["v1", "services", "a/b", "instances", "x y"]);
        assert_eq!(
            url.as_str(),
            "http://127.0.0.1:7000/v1/services/a%2Fb/instances/x%20y"
        );
    }

    #[test]
    fn a_bad_url_is_refused_with_a_mend() {
        for bad in ["registry:7000", "ftp://x", "", "/tmp"] {
            let error = RegistryClient::new(bad).expect_err("not a registry");
            assert!(
                error.to_string().contains("http://127.0.0.1:7000"),
                "{error}"
            );
        }
    }
}
