//! Where parts come from.

use std::sync::Arc;

use chassis::Client;
use discovery::{RegistryClient, Watch};
use reqwest::RequestBuilder;

use crate::caller::Caller;

/// The gateway's internal listener for what may move, the registry for the catalogue.
#[derive(Debug, Clone)]
pub struct Upstreams {
    client: Client,
    gateway: Arc<str>,
    catalog: Option<Watch>,
}

impl Upstreams {
    /// Must be called inside a tokio runtime. Without a registry the catalogue is not known.
    ///
    /// # Errors
    /// A registry URL that is none; TLS that can't be set up.
    pub fn new(gateway_url: &str, registry: Option<&str>) -> anyhow::Result<Self> {
        let catalog = registry.map(RegistryClient::new).transpose()?;
        Ok(Self {
            client: Client::new()?,
            gateway: gateway_url.trim_end_matches('/').into(),
            catalog: catalog.map(|client| Watch::start(client, "catalog")),
        })
    }

    /// A call to `/api/…` with the caller's token.
    pub fn api(&self, caller: &Caller, path_and_query: &str) -> RequestBuilder {
        let request = self.open_api(path_and_query);
        request.header("authorization", caller.authorization.clone())
    }

    /// A call to `/api/…` that anybody may make.
    pub fn open_api(&self, path_and_query: &str) -> RequestBuilder {
        self.client
            .get(format!("{}/api/{path_and_query}", self.gateway))
    }

    /// A call to an instance of the catalogue; `None` while none is known. No token goes along: the
    /// catalogue is open to all.
    #[must_use]
    pub fn catalog(&self, path_and_query: &str) -> Option<RequestBuilder> {
        let instance = self.catalog.as_ref()?.pick()?;
        Some(
            self.client
                .get(format!("{}/{path_and_query}", instance.base_url())),
        )
    }
}
