//! Polite clients, and answers that can be judged.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, ClientBuilder, RequestBuilder, StatusCode, Version};
use serde_json::Value;

/// Longest that one request of a test may take.
const TIMEOUT: Duration = Duration::from_secs(40);

/// A client without TLS trust, for admin and internal listeners.
///
/// # Panics
/// When no client can be built.
pub fn plain_client() -> Client {
    builder().build().unwrap()
}

/// What all clients of tests have in common: no proxy, no redirects followed.
pub(crate) fn builder() -> ClientBuilder {
    // The only failure is that one is installed already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT)
        // The name of edges under test; they listen on 127.0.0.1.
        .resolve("localhost", SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
    pub body: String,
}

/// Sends a request and reads the whole answer.
pub trait ReplyExt {
    /// # Panics
    /// When there is no answer, or none that is complete.
    fn reply(self) -> impl Future<Output = Reply> + Send;
}

impl ReplyExt for RequestBuilder {
    async fn reply(self) -> Reply {
        let response = self
            .send()
            .await
            .unwrap_or_else(|error| panic!("no answer: {error:?}"));
        let (status, version, headers) = (
            response.status(),
            response.version(),
            response.headers().clone(),
        );
        let body = response
            .text()
            .await
            .unwrap_or_else(|error| panic!("{status}: {error:?}"));
        Reply {
            status,
            version,
            headers,
            body,
        }
    }
}

impl Reply {
    /// A header's value; empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// # Panics
    /// When the body is no JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// # Panics
    /// When the status is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:#?}");
        self
    }

    /// Expects problem details (RFC 9457) with this code, and returns them.
    ///
    /// # Panics
    /// When the answer is anything else.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Value {
        let reply = self.expect(status);
        assert_eq!(
            reply.header("content-type"),
            "application/problem+json",
            "{reply:#?}"
        );
        let problem = reply.json();
        assert_eq!(problem["code"], code, "{reply:#?}");
        assert_eq!(problem["status"], status, "{reply:#?}");
        problem
    }

    /// The name of the upstream that answered.
    pub fn served_by(&self) -> &str {
        self.header("x-served-by")
    }
}
