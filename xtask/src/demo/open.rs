//! Waits until the shop is open: every process is ready before every caller has found whom it calls.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::Client;
use serde_json::Value;

use crate::demo::client::{self, send};
use crate::demo::folder::Folder;
use crate::demo::plan::Site;

/// How long keys and instance lists may take to be where they are needed.
const DEADLINE: Duration = Duration::from_secs(30);

/// How often it is tried.
const POLL: Duration = Duration::from_millis(100);

/// Together they need the provider's keys and an instance of every service.
const PATHS: [&str; 6] = [
    "/api/customers/1",
    "/api/orders/1",
    "/api/products",
    "/api/stock",
    "/web/home",
    "/mobile/home",
];

/// Waits until a customer with a token is served everywhere.
///
/// # Errors
/// What was not served in time, with the last answer.
pub(crate) async fn wait(site: &Site, folder: &Folder, token: &str) -> anyhow::Result<()> {
    let client = client::trusting(&folder.ca(), false)?;
    let started = Instant::now();
    for path in PATHS {
        while let Err(error) = try_once(&client, &site.edge(path), token).await {
            if started.elapsed() > DEADLINE {
                return Err(error).context("everything has started, but does not work together");
            }
            tokio::time::sleep(POLL).await;
        }
    }
    Ok(())
}

async fn try_once(client: &Client, url: &str, token: &str) -> anyhow::Result<()> {
    let reply = send(client.get(url).bearer_auth(token)).await?;
    let body = reply.expect_status(200)?.json()?;
    match body.get("parts").and_then(Value::as_object) {
        Some(parts) if !parts.is_empty() => reply.refuse("expected an answer with all its parts"),
        _ => Ok(()),
    }
}
