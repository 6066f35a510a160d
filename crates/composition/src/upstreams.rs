//! Where parts come from.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chassis::Client;
use discovery::{RegistryClient, Status, Watch};
use http::header;
use reqwest::{RequestBuilder, Url};

use crate::caller::Caller;

/// The gateway's internal listener for what may move, the registry for the catalogue.
#[derive(Debug, Clone)]
pub struct Upstreams {
    client: Client,
    gateway: BaseUrl,
    catalog: Option<Watch>,
}

impl Upstreams {
    /// Must be called inside a tokio runtime. Without a registry no instance of the catalogue is known.
    ///
    /// # Errors
    /// A registry URL that is none; TLS that can't be set up.
    pub fn new(gateway: BaseUrl, registry: Option<&str>) -> anyhow::Result<Self> {
        let catalog = registry.map(RegistryClient::new).transpose()?;
        Ok(Self {
            client: Client::new()?,
            gateway,
            catalog: catalog.map(|client| Watch::start(client, "catalog")),
        })
    }

    /// A call to `/api/…` with the caller's token. What is put into the path must be a
    /// [`Segment`](crate::Segment) or a number.
    pub fn api(&self, caller: &Caller, path_and_query: &str) -> RequestBuilder {
        self.open_api(path_and_query)
            .header(header::AUTHORIZATION, caller.authorization.clone())
    }

    /// A call to `/api/…` that anybody may make.
    pub fn open_api(&self, path_and_query: &str) -> RequestBuilder {
        self.client
            .get(format!("{}/api/{path_and_query}", self.gateway))
    }

    /// A call to the catalogue: one request an instance, at most two, of which the second is for when
    /// the first can't be reached; none while no instance is known. No token goes along: the catalogue is
    /// open to all.
    #[must_use]
    pub fn catalog(&self, path_and_query: &str) -> Vec<RequestBuilder> {
        let Some(watch) = &self.catalog else {
            return Vec::new();
        };
        let Some(first) = watch.pick() else {
            return Vec::new();
        };
        // Not a second pick: that would take a turn, and of two instances the same one would always come
        // first.
        let instances = watch.instances();
        let others = instances.iter().filter(|other| other.id != first.id);
        let second = others.min_by_key(|other| reluctance(other.status));
        let second = second.filter(|second| second.status != Status::Down);
        [Some(&first), second]
            .into_iter()
            .flatten()
            .map(|instance| {
                let base = instance.base_url();
                self.client.get(format!("{base}/{path_and_query}"))
            })
            .collect()
    }
}

/// Who is asked last.
fn reluctance(status: Status) -> u8 {
    match status {
        Status::Up => 0,
        Status::Suspect => 1,
        Status::Draining => 2,
        Status::Down => 3,
    }
}

/// Scheme, host, port and perhaps a prefix, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Arc<str>);

/// Not such an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}; write for example http://127.0.0.1:8081")]
pub struct BadBaseUrl(String);

impl BaseUrl {
    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BaseUrl {
    type Err = BadBaseUrl;

    fn from_str(text: &str) -> Result<Self, BadBaseUrl> {
        let url = Url::parse(text).map_err(|error| BadBaseUrl(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadBaseUrl(
                "it must begin with http:// or https://".to_owned(),
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BadBaseUrl(
                "it must not have a query or fragment".to_owned(),
            ));
        }
        Ok(Self(text.trim_end_matches('/').into()))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_loses_its_last_slash_and_keeps_its_prefix() {
        for (text, base) in [
            ("http://127.0.0.1:8081/", "http://127.0.0.1:8081"),
            ("https://id.shop.test/realm", "https://id.shop.test/realm"),
        ] {
            assert_eq!(text.parse::<BaseUrl>().expect("a URL").as_str(), base);
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused_with_an_example() {
        for text in ["", "127.0.0.1:8081", "ftp://x", "/api", "http://x/?q=1"] {
            let error = text.parse::<BaseUrl>().expect_err("no URL").to_string();
            assert!(error.contains("http://127.0.0.1:8081"), "{text}: {error}");
        }
    }
}
