//! The catalogue, as an order needs it: names and prices.

use chassis::Client;
use pagination::Page;

use crate::domain::{Product, RequestLine};
use crate::peers::{NoInstance, Peer};

/// The catalogue service.
#[derive(Debug, Clone)]
pub(crate) struct Catalog {
    client: Client,
    peer: Peer,
}

/// The catalogue did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    #[error(transparent)]
    NoInstance(#[from] NoInstance),
    #[error("the catalogue did not answer: {0}")]
    Call(#[from] reqwest::Error),
}

impl Catalog {
    pub(crate) fn new(client: Client, peer: Peer) -> Self {
        Self { client, peer }
    }

    /// The products of these lines; those the catalogue does not know are missing.
    pub(crate) async fn products(
        &self,
        lines: &[RequestLine],
    ) -> Result<Vec<Product>, CatalogError> {
        let skus: Vec<&str> = lines.iter().map(|line| line.sku.as_str()).collect();
        let page: Page<Product> = self
            .client
            .get(format!("{}/products", self.peer.base_url()?))
            .query(&[("ids", skus.join(","))])
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        Ok(page.items)
    }
}
