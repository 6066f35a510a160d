//! Calls to other services that carry the request's context on.

use std::time::Duration;

use http::{HeaderMap, Method};
use reqwest::{IntoUrl, RequestBuilder};

use crate::context::Context;

/// Longest wait for one call where the request's deadline allows more.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Idle connections are closed before the peer's common five seconds.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// An HTTP client that passes trace context, request id and deadline on and never waits longer than
/// the request it serves. It follows no redirects and knows no proxy. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client(reqwest::Client);

/// Chooses the one crypto backend for everything that speaks TLS in this process. May be called
/// more than once.
pub fn install_crypto() {
    // An error says that it has been chosen before, which is what we want.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

impl Client {
    /// Makes a client with a pool of its own.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn new() -> anyhow::Result<Self> {
        install_crypto();
        let builder = || {
            reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        };
        // A machine may have no certificates to trust. That must not stop services that call each
        // other without TLS; who calls an https URL there is told that its issuer is unknown.
        let client = builder()
            .build()
            .or_else(|_| builder().tls_certs_only([]).build())?;
        Ok(Self(client))
    }

    /// Begins a request in the current [`Context`].
    pub fn request(&self, method: Method, url: impl IntoUrl) -> RequestBuilder {
        let context = Context::current();
        let timeout = context
            .remaining()
            .map_or(CALL_TIMEOUT, |left| left.min(CALL_TIMEOUT));
        let mut headers = HeaderMap::new();
        context.write(&mut headers, timeout);
        self.0
            .request(method, url)
            .headers(headers)
            .timeout(timeout)
    }

    /// Begins a `GET`.
    pub fn get(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    /// Begins a `POST`.
    pub fn post(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    /// Begins a `PUT`.
    pub fn put(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::PUT, url)
    }

    /// Begins a `PATCH`.
    pub fn patch(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::PATCH, url)
    }

    /// Begins a `DELETE`.
    pub fn delete(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::DELETE, url)
    }
}
