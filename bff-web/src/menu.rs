//! The portal's menu: capabilities, each with the address that serves it now.
//!
//! The gateway knows who serves what. It is asked at most once a second; while it does not answer, the
//! last known menu stays, marked as old.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::Client;
use serde::Deserialize;
use tokio::sync::Mutex;

/// How long a menu is good for.
const FRESH: Duration = Duration::from_secs(1);

/// How long the gateway may take to answer.
const TIMEOUT: Duration = Duration::from_millis(500);

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Capability {
    pub(crate) title: String,
    pub(crate) uri: String,
    /// Whether the new service serves it, or still the monolith.
    pub(crate) moved: bool,
}

/// What the portal shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) capabilities: Vec<Capability>,
    /// The gateway did not answer: this is how it was.
    pub(crate) stale: bool,
}

/// The menu, followed.
#[derive(Debug, Clone)]
pub(crate) struct Menu {
    client: Client,
    url: Arc<str>,
    known: Arc<Mutex<(Option<Instant>, Known)>>,
}

#[derive(Debug, Deserialize)]
struct Answer {
    items: Vec<Migration>,
}

#[derive(Debug, Deserialize)]
struct Migration {
    stage: String,
    portal: Option<Portal>,
}

#[derive(Debug, Deserialize)]
struct Portal {
    title: String,
    monolith: String,
    service: String,
}

impl Menu {
    pub(crate) fn new(admin_url: &str) -> anyhow::Result<Self> {
        let url = format!("{}/migrations", admin_url.trim_end_matches('/'));
        Ok(Self {
            client: Client::new()?,
            url: url.into(),
            known: Arc::default(),
        })
    }

    /// The menu as it is now. Those who ask at the same moment share one question.
    pub(crate) async fn current(&self) -> Known {
        let mut known = self.known.lock().await;
        let (asked, menu) = &mut *known;
        if asked.is_none_or(|asked| asked.elapsed() >= FRESH) {
            match self.ask().await {
                Ok(capabilities) => {
                    *menu = Known {
                        capabilities,
                        stale: false,
                    }
                }
                Err(error) => {
                    if !menu.stale {
                        tracing::warn!(%error, "the gateway does not say who serves what");
                    }
                    menu.stale = true;
                }
            }
            *asked = Some(Instant::now());
        }
        menu.clone()
    }

    async fn ask(&self) -> Result<Vec<Capability>, reqwest::Error> {
        let request = self.client.get(&*self.url).timeout(TIMEOUT);
        let answer: Answer = request.send().await?.error_for_status()?.json().await?;
        Ok(answer.items.into_iter().filter_map(capability).collect())
    }
}

/// A group without a menu entry has no page of its own.
fn capability(migration: Migration) -> Option<Capability> {
    let portal = migration.portal?;
    let moved = migration.stage != "monolith";
    let uri = if moved {
        portal.service
    } else {
        portal.monolith
    };
    Some(Capability {
        title: portal.title,
        uri,
        moved,
    })
}
