//! The order of the steps.

use anyhow::Context as _;
use reqwest::{Client, Method, RequestBuilder};

use super::steps;
use crate::demo::client;
use crate::demo::folder::Folder;
use crate::demo::plan::Site;

/// What every step has at hand.
pub(super) struct Visitor<'a> {
    pub(super) site: &'a Site,
    pub(super) folder: &'a Folder,
    pub(super) token: &'a str,
    /// Takes HTTP/2 where it is offered.
    pub(super) client: Client,
    pub(super) http1: Client,
}

impl Visitor<'_> {
    pub(super) fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.site.edge(path))
    }

    pub(super) fn signed_in(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(self.token)
    }
}

/// Walks through the demo and prints a line for each step.
///
/// # Errors
/// The first step that went wrong, with the answer it got.
pub(crate) async fn walk(site: &Site, folder: &Folder, token: &str) -> anyhow::Result<()> {
    let visitor = Visitor {
        site,
        folder,
        token,
        client: client::trusting(&folder.ca(), false)?,
        http1: client::trusting(&folder.ca(), true)?,
    };
    let visitor = &visitor;
    step(
        "without a token: 401 and how to get in",
        steps::locked_door(visitor),
    )
    .await?;
    step("with a token: the customer", steps::open_door(visitor)).await?;
    step(
        "too many requests: 429 and when to come back",
        steps::too_many(visitor),
    )
    .await?;
    step("/web/home is composed", steps::web_home(visitor)).await?;
    step("/mobile/home is composed", steps::mobile_home(visitor)).await?;
    step("the portal's page", steps::portal(visitor)).await?;
    step("HTTP/2 and HTTP/1.1", steps::both_protocols(visitor)).await?;
    step(
        "http:// is redirected to https://",
        steps::redirected(visitor),
    )
    .await?;
    step(
        "an unknown path: 404, and the log knows what was meant",
        steps::lost(visitor),
    )
    .await?;
    step("an order is placed, once", steps::order(visitor)).await?;
    step(
        "customers move to their service and back by an edit",
        steps::switch(visitor),
    )
    .await
}

async fn step(name: &str, step: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    step.await.with_context(|| name.to_owned())?;
    println!("ok {name}");
    Ok(())
}
