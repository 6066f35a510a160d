//! What a visitor tries, and what must come of it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use reqwest::{Method, Version};
use serde_json::{Value, json};

use super::journey::Visitor;
use crate::demo::client::{Reply, send};

/// How long a saved table, or a line of the log, may take to be seen.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often it is looked for.
const POLL: Duration = Duration::from_millis(50);

/// More than `demo-limit` admits at once.
const BURST: usize = 10;

pub(super) async fn locked_door(visitor: &Visitor<'_>) -> anyhow::Result<()> {
    let reply = send(visitor.anonymous(Method::GET, "/api/customers/1")).await?;
    reply
        .expect_status(401)?
        .expect_header("content-type", "application/problem+json")?;
    reply.expect_header("www-authenticate", "Bearer")?;
    let forged = visitor
        .anonymous(Method::GET, "/api/customers/1")
        .bearer_auth("a.b.c");
    send(forged).await?.expect_status(401)?;
    Ok(())
}

pub(super) async fn open_door(visitor: &Visitor<'_>) -> anyhow::Result<()> {
    for path in ["/api/customers/1", "/api/orders/1"] {
        let reply = send(visitor.signed_in(Method::GET, path)).await?;
        reply.expect_status(200)?.expect_header("x-served-by", "")?;
        if reply.json()?.get("id") != Some(&json!(1)) {
            return reply.refuse("expected the record with id 1");
        }
    }
    Ok(())
}

pub(super) async fn too_many(visitor: &Visitor<'_>) -> anyhow::Result<()> {
    for _ in 0..BURST {
        let reply = send(visitor.anonymous(Method::GET, "/api/demo-limit")).await?;
        if reply.status != 429 {
            reply.expect_status(200)?;
            continue;
        }
        reply
            .expect_header("retry-after", "")?
            .expect_header("ratelimit", "")?;
        return Ok(());
    }
    bail!("{BURST} requests at once to /api/demo-limit were all let in")
}

pub(super) async fn web_home(visitor: &Visitor<'_>) -> anyhow::Result<()> {
    let reply = send(visitor.signed_in(Method::GET, "/web/home")).await?;
    expect_composed(reply.expect_status(200)?)
}

pub(super) async fn mobile_home(visitor: &Visitor<'_>) -> anyhow::Result<()> {
    send(visitor.anonymous(Method::GET, "/mobile/home"))
        .await?
        .expect_status(401)?;
    let reply = send(visitor.signed_in(Method::GET, "/mobile/home")).await?;
    expect_composed(reply.expect_status(200)?)
}

/// Every part is there: no `parts` member names one that failed.
fn expect_composed(reply: &Reply) -> anyhow::Result<()> {
    let body = reply.json()?;
    let data = body.get("data").and_then(Value::as_object);
    let whole =
        data.is_some_and(|data| data.len() >= 2 && data.values().all(|part| !part.is_null()));
    let failed = body
        .get("parts")
        .and_then(Value::as_object)
        .is_some_and(|parts| !parts.is_empty());
    if whole && !failed {
        return Ok(());
    }
    reply.refuse("expected an answer with all its parts")
}

pub(super) async fn portal(visitor: &Visitor<'_>) -> anyhow::Result<()> {
    let reply = send(visitor.anonymous(Method::GET, "/")).await?;
    reply
        .expect_status(200)?
        .expect_header("content-type", "text/html")?;
    reply.expect_header("content-security-policy", "")?;
    for word in ["Customers", "Orders", "monolith", "Green tea"] {
        if !reply.body.contains(word) {
            return reply.refuse(&format!("expected a page that says `{word}`"));
        }
    }
    Ok(())
}

pub(super) async fn both_protocols(visitor: &Visitor<'_>) -> anyhow::Result<()> {
    let url = visitor.site.edge("/api/products");
    for (client, version) in [
        (&visitor.client, Version::HTTP_2),
        (&visitor.http1, Version::HTTP_11),
    ] {
        let reply = send(client.get(&url)).await?;
        if reply.expect_status(200)?.version != version {
            return reply.refuse(&format!("expected {version:?}, got {:?}", reply.version));
        }
    }
    Ok(())
}

pub(super) async fn redirected(visitor: &Visitor<'_>) -> anyhow::Result<()> {
    let url = format!(
        "http://localhost:{}/orders?page=2",
        visitor.site.ports.redirect
    );
    let reply = send(visitor.client.get(url)).await?;
    reply
        .expect_status(308)?
        .expect_header("location", &visitor.site.edge("/orders?page=2"))?;
    Ok(())
}

pub(super) async fn lost(visitor: &Visitor<'_>) -> anyhow::Result<()> {
    let path = "/order/1";
    send(visitor.anonymous(Method::GET, path))
        .await?
        .expect_problem(404, "no_route")?;
    // The client is told no more; the operator is.
    let log = visitor.folder.log("gateway");
    let told = wait_for(async || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.into_iter().any(|line| {
            line.get("path").and_then(Value::as_str) == Some(path)
                && line.get("nearest_miss").is_some_and(|miss| !miss.is_null())
        })
    });
    if !told.await {
        bail!(
            "no line in {} names the nearest miss of {path}",
            log.display()
        );
    }
    Ok(())
}

pub(super) async fn order(visitor: &Visitor<'_>) -> anyhow::Result<()> {
    let body = json!({ "customer_id": 1, "lines": [{ "sku": "TEA-002", "quantity": 1 }] });
    let request = || {
        visitor
            .signed_in(Method::POST, "/api/orders")
            .header("idempotency-key", "smoke-journey-1")
            .json(&body)
    };
    let reply = send(request()).await?;
    reply.expect_status(201)?;
    let id = reply
        .json()?
        .get("id")
        .and_then(Value::as_u64)
        .context("the order has no id")?;
    let reply = send(visitor.signed_in(Method::GET, &format!("/api/orders/{id}"))).await?;
    if reply.expect_status(200)?.json()?.get("customer_id") != Some(&json!(1)) {
        return reply.refuse("expected the order that was placed");
    }
    Ok(())
}

pub(super) async fn switch(visitor: &Visitor<'_>) -> anyhow::Result<()> {
    let table = &visitor.site.routes;
    let before = std::fs::read_to_string(table)?;
    for (stage, server) in [("service", "customer"), ("monolith", "legacy-adapter")] {
        std::fs::write(table, with_stage(&before, stage)?)?;
        let saved = Instant::now();
        let moved = wait_for(async || {
            let reply = send(visitor.signed_in(Method::GET, "/api/customers/1")).await;
            reply.is_ok_and(|reply| reply.status == 200 && reply.header("x-served-by") == server)
        });
        if !moved.await {
            bail!(
                "{:?} after saving `stage: {stage}`, {server} does not answer",
                saved.elapsed()
            );
        }
    }
    Ok(())
}

/// The table with another stage for the group `customers`, which is the first.
fn with_stage(table: &str, stage: &str) -> anyhow::Result<String> {
    let migrations = table
        .find("\nmigrations:")
        .context("routes.yaml has no `migrations:`")?;
    let (head, tail) = table.split_at(migrations);
    let line = tail
        .lines()
        .find(|line| line.trim_start().starts_with("stage:"))
        .context("routes.yaml has no `stage:` on a line of its own")?;
    let indent: String = line
        .chars()
        .take_while(|character| *character == ' ')
        .collect();
    Ok(format!(
        "{head}{}",
        tail.replacen(line, &format!("{indent}stage: {stage}"), 1)
    ))
}

/// Asks until the answer is yes, or patience ends.
async fn wait_for(mut asked: impl AsyncFnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if asked().await {
            return true;
        }
        tokio::time::sleep(POLL).await;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_groups_stage_is_rewritten() {
        let table = "version: 1\n# stage: x\nmigrations:\n  a:\n    stage: monolith # here\n  b:\n    stage: monolith\n";
        let edited = with_stage(table, "service").expect("has a stage");
        assert_eq!(
            edited,
            "version: 1\n# stage: x\nmigrations:\n  a:\n    stage: service\n  b:\n    stage: monolith\n"
        );
    }
}
